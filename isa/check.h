// SPDX-License-Identifier: MIT
// Broken invariants. VTLESS_CHECK stays on in release; VTLESS_DCHECK, for per-exit code, only without NDEBUG.
// Caller misuse and guest behaviour are never checks: they are errors, events or exits.
#pragma once

#if __STDC_HOSTED__
#include <cstdio>
#include <cstdlib>
#endif

namespace vtless {

#if __STDC_HOSTED__
inline namespace hosted {
[[noreturn, gnu::cold, gnu::noinline]] inline void check_failed(const char* file, int line,
                                                                const char* what) {
    std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    std::abort();
}
}  // namespace hosted
#else
inline namespace freestanding {  // its own name: both kinds of object may be linked together
[[noreturn, gnu::cold, gnu::noinline]] inline void check_failed(const char*, int, const char*) {
    __builtin_trap();
}
}  // namespace freestanding
#endif

}  // namespace vtless

#define VTLESS_CHECK(cond)                                  \
    (__builtin_expect(static_cast<bool>(cond), 1) ? void(0) \
                                                  : ::vtless::check_failed(__FILE__, __LINE__, #cond))

#ifdef NDEBUG
#define VTLESS_DCHECK(cond) (true ? void(0) : void(cond))
#else
#define VTLESS_DCHECK(cond) VTLESS_CHECK(cond)
#endif
