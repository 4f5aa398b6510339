/* SPDX-License-Identifier: MIT
 * Runs the test that is named, or lists the names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/tests.h"

void check_true(int holds, const char* what, const char* file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    exit(1);
}

void check_equal(uint64_t found, uint64_t wanted, const char* what, const char* file, int line) {
    if (found == wanted) return;
    fprintf(stderr, "%s:%d: %s is %#" PRIx64 ", not %#" PRIx64 "\n", file, line, what, found, wanted);
    exit(1);
}

void check_text(const char* found, const char* part, const char* what, const char* file, int line) {
    if (found != NULL && strstr(found, part) != NULL) return;
    fprintf(stderr, "%s:%d: %s is \"%s\", without \"%s\"\n", file, line, what, found ? found : "(null)",
            part);
    exit(1);
}

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
