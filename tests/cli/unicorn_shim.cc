// SPDX-License-Identifier: MIT
// Loaded before Unicorn: a library that is not quite the one the engine was built for.
#include <dlfcn.h>
#include <unicorn/unicorn.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

bool lies_about(std::string_view what) {
    const char* lie = std::getenv("VTLESS_UNICORN_LIE");
    return lie != nullptr && what == lie;
}

template <class Function>
Function* real(Function*, const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

uc_err uc_open(uc_arch arch, uc_mode mode, uc_engine** engine) {
    return lies_about("open") ? UC_ERR_NOMEM : real(uc_open, "uc_open")(arch, mode, engine);
}

size_t uc_context_size(uc_engine* engine) {
    return real(uc_context_size, "uc_context_size")(engine) + (lies_about("size") ? 8 : 0);
}

// Every field 8 bytes further on.
uc_err uc_context_save(uc_engine* engine, uc_context* context) {
    const uc_err error = real(uc_context_save, "uc_context_save")(engine, context);
    if (!lies_about("layout")) return error;
    constexpr size_t kHeader = 64;
    auto* bytes = reinterpret_cast<char*>(context) + kHeader;
    std::memmove(bytes + 8, bytes, uc_context_size(engine) - kHeader - 8);
    return error;
}

}  // extern "C"
