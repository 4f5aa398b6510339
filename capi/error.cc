// SPDX-License-Identifier: MIT
#include "capi/error.h"

namespace vtless::capi {
namespace {

thread_local std::string last_text;

}  // namespace

vtless_error refuse(vtless_error code, std::string text) {
    last_text = std::move(text);
    return code;
}

}  // namespace vtless::capi

extern "C" const char* vtless_error_text(void) { return vtless::capi::last_text.c_str(); }
