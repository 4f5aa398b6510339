// SPDX-License-Identifier: MIT
// How the C functions say what a call had against it: a code, and a sentence that the thread keeps.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "vtless/vmx.h"

namespace vtless::capi {

// For vtless_error_text.
vtless_error refuse(vtless_error code, std::string text);

template <class... Args>
vtless_error refuse(vtless_error code, fmt::format_string<Args...> format, Args&&... args) {
    return refuse(code, fmt::format(format, std::forward<Args>(args)...));
}

// An error as the outcome of what stands for an instruction.
inline vtless_outcome misuse(vtless_error code) { return {VTLESS_MISUSE, static_cast<uint32_t>(code), 0}; }

// Refuses null where `name` is needed.
inline vtless_error need(const void* pointer, const char* name) {
    return pointer != nullptr ? VTLESS_OK : refuse(VTLESS_BAD_POINTER, "{} is null", name);
}

}  // namespace vtless::capi
