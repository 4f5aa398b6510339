// SPDX-License-Identifier: MIT
// Text for errors, made at the edge: for hosted programs only, nothing in vcpu/ includes it.
#pragma once

#include <string>

#include "vcpu/error.h"

namespace vtless {

// "BadState: from Free to Ready, but actual Created", "InvalidInput: 16", ...
inline std::string to_string(const VCpuError& error) {
    std::string text = name(error.code);
    switch (error.code) {
        case VCpuErrc::BadState:
            return text + ": from " + name(error.from) + " to " + name(error.to) + ", but actual " +
                   name(error.actual);
        case VCpuErrc::Nested:
            return text + ": vCPU " + std::to_string(error.detail) + " is current";
        case VCpuErrc::OtherBackend:
            return text + ": the current vCPU has another backend";
        case VCpuErrc::NotInitialized:
        case VCpuErrc::AlreadyInitialized:
            return text;
        case VCpuErrc::InvalidInput:
        case VCpuErrc::Unsupported:
        case VCpuErrc::ResourceBusy:
        case VCpuErrc::NoMemory:
        case VCpuErrc::Backend:
            return text + ": " + std::to_string(error.detail);
    }
    return text;
}

}  // namespace vtless
