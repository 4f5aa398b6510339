// SPDX-License-Identifier: MIT
// Structs that begin with their size: a caller may know fewer members than we do, or more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "capi/error.h"

namespace vtless::capi {

// The least size that any version had: that of version 1.0.
template <class T>
inline constexpr uint32_t kFirstSize = sizeof(T);

template <class T>
vtless_error check_size(uint32_t size, const char* name) {
    if (size >= kFirstSize<T>) return VTLESS_OK;
    return refuse(VTLESS_BAD_VERSION, "{}.size is {}: at least {} is wanted", name, size, kFirstSize<T>);
}

// From a caller. Members that we do not know must be 0.
template <class T>
vtless_error take_sized(T& known, const T* given, const char* name) {
    const uint32_t size = given->size;
    if (const auto error = check_size<T>(size, name)) return error;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
    constexpr uint32_t kMost = 4096;
    if (size > kMost) return refuse(VTLESS_BAD_VERSION, "{}.size is {}", name, size);
    if (std::any_of(bytes + std::min<size_t>(size, sizeof(T)), bytes + size,
                    [](unsigned char byte) { return byte != 0; })) {
        return refuse(VTLESS_BAD_VERSION, "{} has members set that this library does not know", name);
    }
    std::memcpy(&known, given, std::min<size_t>(size, sizeof(T)));
    return VTLESS_OK;
}

// To a caller, whose size stays.
template <class T>
void give_sized(T* to, T known) {
    known.size = to->size;
    std::memcpy(to, &known, std::min<size_t>(to->size, sizeof(T)));
}

}  // namespace vtless::capi
