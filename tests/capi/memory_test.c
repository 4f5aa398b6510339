/* SPDX-License-Identifier: MIT
 * Host-physical memory, and guests whose code is written from outside. */
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

/* mov ax, N; hlt; jmp to the beginning */
static const unsigned char kCode[] = {0xb8, 0x01, 0x00, 0xf4, 0xeb, 0xfa};

static uint64_t run_for_ax(guest* g) {
    if (g->launched) {
        CHECK_EQ(skip(g), EXIT_HLT);
    } else {
        CHECK_EQ(run(g), EXIT_HLT);
    }
    return g->gprs.gpr[0] & 0xffff;
}

void test_frames(void) {
    static const unsigned char kText[] = "bytes";
    guest g;
    uint64_t one = 0, four = 0, other = 0, left = 0;
    unsigned char read[sizeof kText];
    open_machine(&g, NULL);
    CHECK_EQ(vtless_memory_size(g.machine), 4u << 20);
    one = alloc_frame(&g);
    CHECK(one != 0);
    CHECK_EQ(vtless_alloc_frames(g.machine, 4, 0x10000, &four), VTLESS_OK);
    CHECK_EQ(four % 0x10000, 0);
    CHECK(four + 4 * 4096 <= one || one + 4096 <= four);

    CHECK_EQ(vtless_write(g.machine, one + 4090, kText, sizeof kText), VTLESS_OK); /* into the next frame */
    CHECK_EQ(vtless_read(g.machine, one + 4090, read, sizeof read), VTLESS_OK);
    CHECK_EQ(memcmp(read, kText, sizeof read), 0);

    /* A frame that comes back is zero again, and comes back first. */
    CHECK_EQ(vtless_free_frames(g.machine, one, 1), VTLESS_OK);
    CHECK_EQ(vtless_free_frames(g.machine, one, 1), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 4096, &other), VTLESS_OK);
    CHECK_EQ(other, one);
    CHECK_EQ(vtless_read(g.machine, one + 4090, read, sizeof read), VTLESS_OK);
    CHECK_EQ(read[0], 0);

    /* Down to the last: 1024 frames, of which 0 is nobody's, and 5 are taken. */
    while (vtless_alloc_frames(g.machine, 1, 4096, &other) == VTLESS_OK) ++left;
    CHECK_EQ(left, 1024 - 6);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 4096, &other), VTLESS_NO_MEMORY);
    CHECK_EQ(vtless_free_frames(g.machine, four + 4096, 2), VTLESS_OK);
    CHECK_EQ(vtless_alloc_frames(g.machine, 3, 4096, &other), VTLESS_NO_MEMORY);
    CHECK_EQ(vtless_alloc_frames(g.machine, 2, 4096, &other), VTLESS_OK);
    CHECK_EQ(other, four + 4096);
    CHECK_EQ(vtless_free_frames(g.machine, four, 4), VTLESS_OK);
    close_guest(&g);
}

void test_large_blocks_of_frames_are_zero_when_they_come_back(void) {
    guest g;
    uint64_t block = 0, again = 0, i;
    unsigned char* bytes = NULL;
    void* pointer = NULL;
    open_machine(&g, NULL);
    CHECK_EQ(vtless_alloc_frames(g.machine, 512, 4096, &block), VTLESS_OK);
    CHECK_EQ(vtless_map(g.machine, block, 512 * 4096, VTLESS_MAP_NOTED, &pointer), VTLESS_OK);
    bytes = pointer;
    memset(bytes, 0xab, 512 * 4096);
    CHECK_EQ(vtless_free_frames(g.machine, block, 512), VTLESS_OK);
    CHECK_EQ(vtless_alloc_frames(g.machine, 512, 4096, &again), VTLESS_OK);
    CHECK_EQ(again, block);
    for (i = 0; i < 512 * 4096; ++i) CHECK_EQ(bytes[i], 0);
    close_guest(&g);
}

void test_code_written_by_copy_runs(void) {
    static const unsigned char kTwo[] = {0x02};
    guest g;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run_for_ax(&g), 1);
    put_code(&g, GUEST_CODE + 1, kTwo, 1);
    CHECK_EQ(run_for_ax(&g), 2);
    close_guest(&g);
}

void test_code_written_through_a_checked_mapping_runs(void) {
    guest g;
    void *pointer = NULL, *all = NULL;
    unsigned char* code;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run_for_ax(&g), 1); /* translated before it is mapped */
    CHECK_EQ(vtless_map(g.machine, g.ram + GUEST_CODE, 4096, VTLESS_MAP_CHECKED, &pointer), VTLESS_OK);
    code = pointer;
    code[1] = 2;
    CHECK_EQ(run_for_ax(&g), 2);
    code[1] = 3; /* each time */
    CHECK_EQ(run_for_ax(&g), 3);
    CHECK_EQ(run_for_ax(&g), 3);
    /* A mapping that comes or goes does not forget what another has seen. */
    code[1] = 4;
    CHECK_EQ(vtless_map(g.machine, 0, vtless_memory_size(g.machine), VTLESS_MAP_CHECKED, &all), VTLESS_OK);
    CHECK_EQ(run_for_ax(&g), 4);
    code[1] = 5;
    CHECK_EQ(vtless_unmap(g.machine, pointer), VTLESS_OK);
    CHECK_EQ(run_for_ax(&g), 5);
    code[1] = 6; /* through the other one, which has the page too */
    CHECK_EQ(run_for_ax(&g), 6);
    CHECK_EQ(vtless_unmap(g.machine, all), VTLESS_OK);
    CHECK_EQ(vtless_unmap(g.machine, all), VTLESS_BAD_ADDRESS);
    close_guest(&g);
}

void test_code_written_through_a_noted_mapping_runs(void) {
    guest g;
    void* pointer = NULL;
    unsigned char* code;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run_for_ax(&g), 1);
    CHECK_EQ(vtless_map(g.machine, g.ram + GUEST_CODE, 4096, VTLESS_MAP_NOTED, &pointer), VTLESS_OK);
    code = pointer;
    code[1] = 2;
    CHECK_EQ(vtless_note_write(g.machine, g.ram + GUEST_CODE + 1, 1), VTLESS_OK);
    CHECK_EQ(run_for_ax(&g), 2);
    close_guest(&g);
}

void test_processors_see_each_others_code(void) {
    /* mov byte [1001h], 9; hlt: the other guest's operand */
    static const unsigned char kPatch[] = {0xc6, 0x06, 0x01, 0x10, 0x09, 0xf4};
    static const unsigned char kTwo[] = {0x02};
    guest one, other;
    open_guest(&one);
    put_code(&one, GUEST_CODE, kCode, sizeof kCode);
    put_code(&one, 0x2000, kPatch, sizeof kPatch);
    CHECK_EQ(run_for_ax(&one), 1);
    open_guest_beside(&other, &one);
    vmwrite(&other, GUEST_RIP, 0x2000);
    CHECK_EQ(run(&other), EXIT_HLT);
    CHECK_EQ(run_for_ax(&one), 9);
    put_code(&one, GUEST_CODE + 1, kTwo, 1);
    CHECK_EQ(run_for_ax(&one), 2);
    /* Removed, it listens to nothing any more, and the first one goes on. */
    CHECK_EQ(vtless_remove_processor(other.processor), VTLESS_OK);
    put_code(&one, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run_for_ax(&one), 1);
    close_guest(&one);
}
