/* SPDX-License-Identifier: MIT
 * Runs the test that is named, or lists the names. */
#include <stdio.h>
#include <string.h>

#include "tests/capi/tests.h"

typedef struct named_test {
    const char* name;
    void (*run)(void);
} named_test;

#define ROW(name) {#name, test_##name},
static const named_test kTests[] = {EACH_TEST(ROW)};

int main(int argc, char** argv) {
    const size_t count = sizeof kTests / sizeof kTests[0];
    size_t i;
    for (i = 0; i < count; ++i) {
        if (argc < 2) {
            puts(kTests[i].name);
        } else if (strcmp(argv[1], kTests[i].name) == 0) {
            kTests[i].run();
            return 0;
        }
    }
    if (argc < 2) return 0;
    fprintf(stderr, "no test %s\n", argv[1]);
    return 2;
}
