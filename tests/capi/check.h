/* SPDX-License-Identifier: MIT
 * Checks for tests in C: one that fails ends the program. */
#pragma once

#include <inttypes.h>
#include <stdint.h>

void check_true(int holds, const char* what, const char* file, int line);
void check_equal(uint64_t found, uint64_t wanted, const char* what, const char* file, int line);
void check_text(const char* found, const char* part, const char* what, const char* file, int line);

#define CHECK(holds) check_true((holds) != 0, #holds, __FILE__, __LINE__)
#define CHECK_EQ(found, wanted) check_equal((uint64_t)(found), (uint64_t)(wanted), #found, __FILE__, __LINE__)
/* found contains part. */
#define CHECK_TEXT(found, part) check_text((found), (part), #found, __FILE__, __LINE__)

/* Outcomes. */
#define CHECK_OUTCOME(call, wanted_kind, wanted_number)                                                \
    do {                                                                                               \
        const vtless_outcome outcome_ = (call);                                                        \
        check_equal(outcome_.kind, wanted_kind, #call, __FILE__, __LINE__);                            \
        check_equal(outcome_.number, (uint64_t)(wanted_number), #call ", number", __FILE__, __LINE__); \
    } while (0)
#define CHECK_SUCCEEDS(call) CHECK_OUTCOME(call, VTLESS_SUCCEED, 0)
#define CHECK_MISUSE(call, error) CHECK_OUTCOME(call, VTLESS_MISUSE, error)
