// SPDX-License-Identifier: MIT
// Errors of the reference VMM: what was tried, what was found, what was expected, as text for a person.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "isa/expected.h"

namespace vtless::vmm {

struct Error {
    std::string message;
};

template <class T>
using Result = Expected<T, Error>;

// `return fail("{}: {} bytes, expected {}", path, found, expected);`
template <class... Args>
Unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
    return Unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace vtless::vmm
