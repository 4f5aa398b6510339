// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "vcpu/capabilities.h"
#include "vcpu/exit.h"

namespace vtless::traces {

// The exit's kind and fields as one word without blanks: "IoWrite,port=0x402,width=1,data=0x41".
std::string exit_text(const VmExit& exit);
// The same without what the backend that made the exit cannot know: see absent_fields.
std::string exit_text(const VmExit& exit, const Capabilities& can);

}  // namespace vtless::traces
