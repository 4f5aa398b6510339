/* SPDX-License-Identifier: MIT
 * The sanitizer of a machine. */
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

enum { TEXT_BYTES = 1 << 16 };

static int found(vtless_machine* machine, const char* rule) {
    static char text[TEXT_BYTES];
    size_t length = 0;
    CHECK_EQ(vtless_findings(machine, text, sizeof text, &length), VTLESS_OK);
    CHECK_EQ(length, strlen(text));
    return strstr(text, rule) != NULL;
}

void test_sanitizer_finds_misuse(void) {
    static const unsigned char kCode[] = {0x0f, 0xa2, 0xf4}; /* cpuid; hlt */
    guest first;
    guest g;
    uint64_t before = 0;
    uint64_t after = 0;
    open_guest(&first);
    CHECK_EQ(vtless_sanitize(first.machine), VTLESS_BAD_VALUE); /* it has a processor */
    CHECK_EQ(vtless_finding_count(first.machine, &before), VTLESS_NOTHING);
    CHECK_EQ(vtless_findings(first.machine, NULL, 0, NULL), VTLESS_NOTHING);
    CHECK_EQ(vtless_remove_processor(first.processor), VTLESS_OK);
    CHECK_EQ(vtless_sanitize(first.machine), VTLESS_OK);

    open_guest_beside(&g, &first);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run(&g), EXIT_CPUID);
    CHECK_EQ(vtless_finding_count(g.machine, &before), VTLESS_OK);
    CHECK_EQ(found(g.machine, "exit.not-advanced"), 0);
    CHECK_EQ(run(&g), EXIT_CPUID); /* without moving RIP */
    CHECK_EQ(vtless_finding_count(g.machine, &after), VTLESS_OK);
    CHECK_EQ(after, before + 1);
    CHECK_EQ(found(g.machine, "exit.not-advanced"), 1);

    CHECK_EQ(vtless_note_event(g.processor, g.vmcs, 0x40), VTLESS_BAD_VALUE); /* bit 31 */
    CHECK_EQ(vtless_note_event(g.processor, g.vmcs, 0x80000040u), VTLESS_OK);
    CHECK_EQ(skip(&g), EXIT_HLT); /* the interrupt waits without a window */
    CHECK_EQ(found(g.machine, "event.late-interrupt"), 1);
    close_guest(&g);
}
