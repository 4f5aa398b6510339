// SPDX-License-Identifier: MIT
// Text for a caller's buffer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "capi/error.h"

namespace vtless::capi {

// Cut if need be, with a final NUL; its whole length to *length, which may be null. The buffer may be null if
// capacity is 0.
inline vtless_error give_text(std::string_view text, char* buffer, size_t capacity, size_t* length) {
    if (length != nullptr) *length = text.size();
    if (capacity == 0) return VTLESS_OK;
    const size_t count = std::min(text.size(), capacity - 1);
    std::memcpy(buffer, text.data(), count);
    buffer[count] = '\0';
    return VTLESS_OK;
}

}  // namespace vtless::capi
