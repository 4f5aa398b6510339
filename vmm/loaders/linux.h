// SPDX-License-Identifier: MIT
// A Linux bzImage through the 64-bit boot protocol: Linux "Documentation/arch/x86/boot.rst" and
// "zero-page.rst".
#pragma once

#include <optional>
#include <string>

#include "vmm/error.h"
#include "vmm/loaders/boot_state.h"
#include "vmm/loaders/image_file.h"
#include "vmm/memory/guest_memory.h"

namespace vtless::vmm {

struct LinuxImages {
    Image kernel;
    std::optional<Image> initrd;
    std::string command_line;
};

// Places kernel, initrd, command line, boot parameters, page tables and GDT in memory. Returns the state at
// the kernel's 64-bit entry point.
Result<BootState> load_linux(const LinuxImages& images, const MemoryLayout& layout, GuestMemory& memory);

}  // namespace vtless::vmm
