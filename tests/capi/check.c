/* SPDX-License-Identifier: MIT */
#include "tests/capi/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
