/* SPDX-License-Identifier: MIT
 * Guests: what they exit with, and what reaches them. */
#include <pthread.h>
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

enum { RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4 };
static const unsigned char kLoop[] = {0xeb, 0xfe}; /* jmp $ */
static const unsigned char kHlt[] = {0xf4};

static vtless_exit_info last_exit(guest* g) {
    vtless_exit_info info;
    memset(&info, 0, sizeof info);
    info.size = sizeof info;
    CHECK_SUCCEEDS(vtless_last_exit(g->processor, &info));
    return info;
}

void test_cpuid_then_hlt(void) {
    static const unsigned char kCode[] = {0x0f, 0xa2, 0x01, 0xc8, 0xf4}; /* cpuid; add ax, cx; hlt */
    guest g;
    vtless_exit_info info;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    g.gprs.gpr[RAX] = 0x1122334455667788u;
    g.gprs.gpr[RSP] = 0xdead;
    g.gprs.gpr[15] = 0xf15;
    CHECK_EQ(run(&g), EXIT_CPUID);
    info = last_exit(&g);
    CHECK_EQ(info.reason, EXIT_CPUID);
    CHECK_EQ(info.instruction_length, 2);
    CHECK_TEXT(info.name, "CPUID");
    CHECK_EQ(vmread(&g, GUEST_RIP), GUEST_CODE);
    CHECK_EQ(g.gprs.gpr[RAX], 0x1122334455667788u);
    CHECK_EQ(g.gprs.gpr[15], 0xf15);
    g.gprs.gpr[RAX] = 0x10;
    g.gprs.gpr[RCX] = 0x20;
    CHECK_EQ(skip(&g), EXIT_HLT);
    CHECK_EQ(g.gprs.gpr[RAX], 0x30);
    CHECK_EQ(g.gprs.gpr[RSP], 0xdead); /* neither read nor written */
    CHECK_EQ(vmread(&g, GUEST_RSP), GUEST_STACK);
    CHECK_EQ(vmread(&g, GUEST_RIP), GUEST_CODE + 4);
    close_guest(&g);
}

void test_io_exit(void) {
    static const unsigned char kCode[] = {0xba, 0xf8, 0x03, 0xb0, 'x', 0xee, 0xf4}; /* out 3f8h, 'x'; hlt */
    guest g;
    vtless_exit_info info;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run(&g), EXIT_IO);
    info = last_exit(&g);
    CHECK_EQ(info.qualification, (uint64_t)0x3f8 << 16); /* OUT, one byte, port in DX */
    CHECK_EQ(info.instruction_length, 1);
    CHECK_EQ(g.gprs.gpr[RAX] & 0xff, 'x');
    CHECK_EQ(skip(&g), EXIT_HLT);
    close_guest(&g);
}

void test_ept_violation(void) {
    /* mov ax, 2000h; mov ds, ax; mov [123h], al; hlt */
    static const unsigned char kCode[] = {0xb8, 0x00, 0x20, 0x8e, 0xd8, 0xa2, 0x23, 0x01, 0xf4};
    guest g;
    vtless_exit_info info;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run(&g), EXIT_EPT_VIOLATION);
    info = last_exit(&g);
    CHECK_EQ(info.guest_physical_address, 0x20123);
    CHECK_EQ(info.guest_linear_address, 0x20123);
    CHECK_EQ(info.qualification & 0x3f, 2); /* a write; the page has no permission */
    CHECK_EQ(info.qualification >> 7 & 3, 3);
    CHECK_TEXT(info.name, "EPT_VIOLATION");
    close_guest(&g);
}

void test_injected_interrupt(void) {
    static const unsigned char kVector[] = {0x00, 0x30, 0x00, 0x00}; /* 0000:3000 */
    guest g;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kLoop, sizeof kLoop);
    put_code(&g, 0x20 * 4, kVector, sizeof kVector);
    put_code(&g, 0x3000, kHlt, sizeof kHlt);
    vmwrite(&g, GUEST_RFLAGS, 0x202);
    vmwrite(&g, ENTRY_INTERRUPTION_INFORMATION, 0x80000020u);
    CHECK_EQ(run(&g), EXIT_HLT);
    CHECK_EQ(vmread(&g, GUEST_RIP), 0x3000);
    CHECK_EQ(vmread(&g, GUEST_RSP), GUEST_STACK - 6);
    CHECK_EQ(vmread(&g, ENTRY_INTERRUPTION_INFORMATION) >> 31, 0);
    close_guest(&g);
}

void test_interrupts_and_nmis(void) {
    guest g;
    uint32_t vector = 0;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kLoop, sizeof kLoop);
    put_code(&g, 0x2000, kHlt, sizeof kHlt);
    CHECK_EQ(vtless_raise_interrupt(g.processor, 0x31), VTLESS_OK);
    CHECK_EQ(run(&g), EXIT_EXTERNAL_INTERRUPT);
    CHECK_EQ(last_exit(&g).interruption_information, 0x80000031u);

    CHECK_EQ(vtless_raise_nmi(g.processor), VTLESS_OK);
    CHECK_EQ(run(&g), EXIT_EXCEPTION_OR_NMI);
    CHECK_EQ(last_exit(&g).interruption_information, 0x80000202u);

    /* What is withdrawn, or taken by the host, does not exit. */
    vmwrite(&g, GUEST_RIP, 0x2000);
    CHECK_EQ(vtless_raise_interrupt(g.processor, 0x31), VTLESS_OK);
    CHECK_EQ(vtless_raise_interrupt(g.processor, 0x77), VTLESS_OK);
    CHECK_EQ(vtless_raise_nmi(g.processor), VTLESS_OK);
    CHECK_EQ(vtless_withdraw_interrupt(g.processor, 0x31), VTLESS_OK);
    CHECK_EQ(vtless_withdraw_nmi(g.processor), VTLESS_OK);
    CHECK_EQ(vtless_take_interrupt(g.processor, &vector), VTLESS_OK);
    CHECK_EQ(vector, 0x77);
    CHECK_EQ(vtless_take_interrupt(g.processor, &vector), VTLESS_NOTHING);
    CHECK_EQ(run(&g), EXIT_HLT);
    close_guest(&g);
}

void test_host_timer(void) {
    guest g;
    uint64_t before = 0, after = 0, cycles = 0, instructions = 0;
    uint32_t vector = 0;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kLoop, sizeof kLoop);
    CHECK_SUCCEEDS(vtless_rdtsc(g.processor, &before));
    CHECK_EQ(vtless_set_host_timer(g.processor, before + 100000, 0x40), VTLESS_OK);
    CHECK_EQ(run(&g), EXIT_EXTERNAL_INTERRUPT);
    CHECK_EQ(last_exit(&g).interruption_information, 0x80000040u);
    CHECK_SUCCEEDS(vtless_rdtsc(g.processor, &after));
    CHECK(after >= before + 100000);
    CHECK(after < before + 110000);
    CHECK_EQ(vtless_counters(g.processor, &cycles, &instructions), VTLESS_OK);
    CHECK_EQ(cycles, after);
    CHECK(instructions > 1000);

    CHECK_EQ(vtless_idle(g.processor), VTLESS_NOTHING);
    CHECK_EQ(vtless_set_host_timer(g.processor, after + 5000, 0x41), VTLESS_OK);
    CHECK_EQ(vtless_idle(g.processor), VTLESS_OK);
    CHECK_SUCCEEDS(vtless_rdtsc(g.processor, &before));
    CHECK_EQ(before, after + 5000);
    CHECK_EQ(vtless_take_interrupt(g.processor, &vector), VTLESS_OK);
    CHECK_EQ(vector, 0x41);
    close_guest(&g);
}

static vtless_entry_failure explained(guest* g) {
    vtless_entry_failure failure;
    memset(&failure, 0, sizeof failure);
    failure.size = sizeof failure;
    CHECK_EQ(vtless_explain_entry(g->processor, &failure), VTLESS_OK);
    return failure;
}

void test_failing_entry_is_explained(void) {
    guest g;
    vtless_entry_failure why;
    char text[4096];
    size_t length = 0, whole = 0;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kHlt, sizeof kHlt);
    memset(&why, 0, sizeof why);
    why.size = sizeof why;
    CHECK_EQ(vtless_explain_entry(g.processor, &why), VTLESS_NOTHING);

    /* A control: VMfailValid, with its number in the VMCS as well. */
    vmwrite(&g, PIN_CONTROLS, vmread(&g, PIN_CONTROLS) | 1u << 31);
    CHECK_OUTCOME(vtless_vmlaunch(g.processor, &g.gprs), VTLESS_FAIL_VALID, 7);
    CHECK_EQ(vmread(&g, VM_INSTRUCTION_ERROR), 7);
    why = explained(&g);
    CHECK_TEXT(why.check, "controls.pin");
    CHECK_EQ(why.value, vmread(&g, PIN_CONTROLS));
    CHECK(strlen(why.sentence) > 10);
    vmwrite(&g, PIN_CONTROLS, vmread(&g, PIN_CONTROLS) & ~(uint64_t)(1u << 31));

    /* Guest state: an exit. */
    vmwrite(&g, GUEST_RFLAGS, 0);
    CHECK_EQ(run(&g), EXIT_ENTRY_FAILURE_GUEST_STATE);
    CHECK_EQ(vmread(&g, EXIT_REASON), 0x80000021u);
    why = explained(&g);
    CHECK_TEXT(why.check, "guest.rflags");
    CHECK_TEXT(why.section, "SDM Vol. 3C");
    CHECK_TEXT(why.field, "GUEST_RFLAGS");
    CHECK_EQ(why.value, 0);
    CHECK(strlen(why.allowed) > 0);

    /* All that is wrong, cut to the buffer or whole. */
    CHECK_EQ(vtless_explain_vmcs(g.processor, NULL, 0, &whole), VTLESS_OK);
    CHECK_EQ(vtless_explain_vmcs(g.processor, text, sizeof text, &length), VTLESS_OK);
    CHECK_EQ(length, whole);
    CHECK_EQ(strlen(text), whole);
    CHECK_TEXT(text, why.check);
    CHECK_EQ(vtless_explain_vmcs(g.processor, text, 10, &length), VTLESS_OK);
    CHECK_EQ(strlen(text), 9);
    CHECK_EQ(vtless_dump_vmcs(g.processor, text, sizeof text, NULL), VTLESS_OK);
    CHECK_TEXT(text, "\"vtless-vmcs\"");

    vmwrite(&g, GUEST_RFLAGS, 2);
    CHECK_EQ(run(&g), EXIT_HLT);
    CHECK_EQ(vtless_explain_entry(g.processor, &why), VTLESS_NOTHING);
    close_guest(&g);
}

/* The host's IA32_FS_BASE cannot be loaded from an MSR area. */
void test_vmx_abort_is_explained(void) {
    static const uint64_t kEntry[] = {0xc0000100, 0x1000};
    guest g;
    vtless_entry_failure why;
    uint64_t area;
    memset(&why, 0, sizeof why);
    why.size = sizeof why;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kHlt, sizeof kHlt);
    area = alloc_frame(&g);
    CHECK_EQ(vtless_write(g.machine, area, kEntry, sizeof kEntry), VTLESS_OK);
    vmwrite(&g, VM_EXIT_MSR_LOAD_ADDRESS, area);
    vmwrite(&g, VM_EXIT_MSR_LOAD_COUNT, 1);
    CHECK_OUTCOME(vtless_vmlaunch(g.processor, &g.gprs), VTLESS_FAULT, 8);
    CHECK_EQ(vtless_explain_entry(g.processor, &why), VTLESS_NOTHING);
    CHECK_TEXT(vtless_error_text(), "VMX abort 4: VM-exit MSR-load area at");
    CHECK_TEXT(vtless_error_text(), "MSR 0xc0000100 (IA32_FS_BASE)");
    close_guest(&g);
}

void test_same_calls_same_results(void) {
    /* inc cx; jnz to it; hlt */
    static const unsigned char kCode[] = {0x41, 0x75, 0xfd, 0xf4};
    uint64_t cycles[2], instructions[2];
    int i;
    for (i = 0; i < 2; ++i) {
        guest g;
        open_guest(&g);
        put_code(&g, GUEST_CODE, kCode, sizeof kCode);
        CHECK_EQ(run(&g), EXIT_HLT);
        CHECK_EQ(g.gprs.gpr[RCX], 0);
        CHECK_EQ(vtless_counters(g.processor, &cycles[i], &instructions[i]), VTLESS_OK);
        close_guest(&g);
    }
    CHECK_EQ(cycles[0], cycles[1]);
    CHECK_EQ(instructions[0], 2 * 0x10000);
    CHECK_EQ(instructions[1], instructions[0]);
}

void test_stalled_guest(void) {
    guest g;
    uint32_t stalled = 7;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kHlt, sizeof kHlt);
    CHECK_EQ(vtless_stalled(g.processor, &stalled), VTLESS_OK);
    CHECK_EQ(stalled, 0);
    vmwrite(&g, PRIMARY_CONTROLS, vmread(&g, PRIMARY_CONTROLS) & ~(uint64_t)(1u << 7)); /* no HLT exiting */
    CHECK_EQ(run(&g), EXIT_INIT_SIGNAL);
    CHECK_EQ(vtless_stalled(g.processor, &stalled), VTLESS_OK);
    CHECK_EQ(stalled, 1);
    close_guest(&g);
}

static void* run_in_thread(void* argument) {
    guest* const g = argument;
    CHECK_EQ(run(g), EXIT_EXTERNAL_INTERRUPT);
    return NULL;
}

void test_other_threads_are_refused_while_a_guest_runs(void) {
    guest g;
    pthread_t thread;
    uint64_t value = 0;
    void* pointer = NULL;
    open_guest(&g);
    put_code(&g, GUEST_CODE, kLoop, sizeof kLoop);
    CHECK_EQ(pthread_create(&thread, NULL, run_in_thread, &g), 0);
    while (vtless_memory_size(g.machine) != 0) {
    }
    CHECK_MISUSE(vtless_vmread(g.processor, GUEST_RIP, &value), VTLESS_BUSY);
    CHECK_TEXT(vtless_error_text(), "another thread");
    CHECK_EQ(vtless_map(g.machine, 0, 4096, VTLESS_MAP_NOTED, &pointer), VTLESS_BUSY);
    CHECK_EQ(vtless_close(g.machine), VTLESS_BUSY);
    CHECK_EQ(vtless_request_exit(g.processor), VTLESS_OK);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(last_exit(&g).interruption_information, 0x800000ffu);
    close_guest(&g);
}
