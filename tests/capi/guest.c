/* SPDX-License-Identifier: MIT */
#include "tests/capi/guest.h"

#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"

enum {
    IA32_VMX_BASIC = 0x480,
    IA32_VMX_PROCBASED_CTLS2 = 0x48b,
    IA32_VMX_TRUE_PINBASED_CTLS = 0x48d,
    IA32_VMX_TRUE_PROCBASED_CTLS = 0x48e,
    IA32_VMX_TRUE_EXIT_CTLS = 0x48f,
    IA32_VMX_TRUE_ENTRY_CTLS = 0x490
};
static const uint32_t kIa32Efer = 0xc0000080u;
static const uint64_t kCr4Vmxe = 0x2000;

static uint64_t rdmsr(guest* g, uint32_t msr) {
    uint64_t value = 0;
    CHECK_SUCCEEDS(vtless_rdmsr(g->processor, msr, &value));
    return value;
}

static uint64_t read_cr(guest* g, uint32_t number) {
    uint64_t value = 0;
    CHECK_SUCCEEDS(vtless_read_cr(g->processor, number, &value));
    return value;
}

uint64_t alloc_frame(guest* g) {
    uint64_t hpa = 0;
    CHECK_EQ(vtless_alloc_frames(g->machine, 1, 4096, &hpa), VTLESS_OK);
    return hpa;
}

static uint64_t alloc_region(guest* g) {
    const uint64_t hpa = alloc_frame(g);
    const uint32_t revision = (uint32_t)rdmsr(g, IA32_VMX_BASIC) & 0x7fffffffu;
    CHECK_EQ(vtless_write(g->machine, hpa, &revision, sizeof revision), VTLESS_OK);
    return hpa;
}

uint64_t vmread(guest* g, uint32_t field) {
    uint64_t value = 0;
    CHECK_SUCCEEDS(vtless_vmread(g->processor, field, &value));
    return value;
}

void vmwrite(guest* g, uint32_t field, uint64_t value) {
    CHECK_SUCCEEDS(vtless_vmwrite(g->processor, field, value));
}

uint32_t adjusted(guest* g, uint32_t true_msr, uint32_t wanted) {
    const uint64_t allowed = rdmsr(g, true_msr);
    return (wanted | (uint32_t)allowed) & (uint32_t)(allowed >> 32);
}

static void write_controls(guest* g, uint64_t eptp) {
    const uint32_t kExternalInterrupts = 1u << 0, kNmis = 1u << 3;
    const uint32_t kHlt = 1u << 7, kAllIo = 1u << 24, kSecondary = 1u << 31;
    const uint32_t kEpt = 1u << 1, kVpid = 1u << 5, kUnrestricted = 1u << 7;
    const uint32_t kHost64 = 1u << 9, kAcknowledge = 1u << 15, kSaveEfer = 1u << 20, kLoadHostEfer = 1u << 21;
    const uint32_t kLoadEfer = 1u << 15;
    vmwrite(g, PIN_CONTROLS, adjusted(g, IA32_VMX_TRUE_PINBASED_CTLS, kExternalInterrupts | kNmis));
    vmwrite(g, PRIMARY_CONTROLS, adjusted(g, IA32_VMX_TRUE_PROCBASED_CTLS, kHlt | kAllIo | kSecondary));
    vmwrite(g, SECONDARY_CONTROLS, adjusted(g, IA32_VMX_PROCBASED_CTLS2, kEpt | kVpid | kUnrestricted));
    vmwrite(g, EXIT_CONTROLS,
            adjusted(g, IA32_VMX_TRUE_EXIT_CTLS, kHost64 | kAcknowledge | kSaveEfer | kLoadHostEfer));
    vmwrite(g, ENTRY_CONTROLS, adjusted(g, IA32_VMX_TRUE_ENTRY_CTLS, kLoadEfer));
    vmwrite(g, EPT_POINTER, eptp);
    vmwrite(g, VPID, 1);
    vmwrite(g, VMCS_LINK_POINTER, ~(uint64_t)0);
}

static void write_host_state(guest* g) {
    static const uint32_t kWithSelector[] = {VTLESS_ES, VTLESS_CS, VTLESS_SS,
                                             VTLESS_DS, VTLESS_FS, VTLESS_GS};
    vtless_segment segment;
    vtless_descriptor_table table;
    uint32_t i;
    for (i = 0; i < 6; ++i) {
        CHECK_SUCCEEDS(vtless_read_segment(g->processor, kWithSelector[i], &segment));
        vmwrite(g, HOST_ES_SELECTOR + 2 * i, segment.selector);
        if (i == VTLESS_FS) vmwrite(g, HOST_FS_BASE, segment.base);
        if (i == VTLESS_GS) vmwrite(g, HOST_GS_BASE, segment.base);
    }
    CHECK_SUCCEEDS(vtless_read_segment(g->processor, VTLESS_TR, &segment));
    vmwrite(g, HOST_TR_SELECTOR, segment.selector);
    vmwrite(g, HOST_TR_BASE, segment.base);
    CHECK_SUCCEEDS(vtless_sgdt(g->processor, &table));
    vmwrite(g, HOST_GDTR_BASE, table.base);
    CHECK_SUCCEEDS(vtless_sidt(g->processor, &table));
    vmwrite(g, HOST_IDTR_BASE, table.base);
    vmwrite(g, HOST_CR0, read_cr(g, 0));
    vmwrite(g, HOST_CR3, read_cr(g, 3));
    vmwrite(g, HOST_CR4, read_cr(g, 4));
    vmwrite(g, HOST_IA32_EFER, rdmsr(g, kIa32Efer));
}

static void write_guest_state(guest* g) {
    uint32_t i;
    for (i = 0; i < 8; ++i) vmwrite(g, GUEST_ES_LIMIT + 2 * i, 0xffff);
    for (i = 0; i < 6; ++i) vmwrite(g, GUEST_ES_RIGHTS + 2 * i, i == VTLESS_CS ? 0x9b : 0x93);
    vmwrite(g, GUEST_ES_RIGHTS + 2 * VTLESS_LDTR, 0x10000); /* unusable */
    vmwrite(g, GUEST_ES_RIGHTS + 2 * VTLESS_TR, 0x8b);
    vmwrite(g, GUEST_IDTR_LIMIT, 0x3ff);
    vmwrite(g, GUEST_CR0, 0x30); /* NE and ET: real mode */
    vmwrite(g, GUEST_CR4, kCr4Vmxe);
    vmwrite(g, GUEST_DR7, 0x400);
    vmwrite(g, GUEST_RFLAGS, 2);
    vmwrite(g, GUEST_RIP, GUEST_CODE);
    vmwrite(g, GUEST_RSP, GUEST_STACK);
}

/* Four levels, 4-KiB pages, write-back. Returns the EPTP. */
static uint64_t build_ept(guest* g) {
    const uint64_t kAll = 7, kWriteBack = 6u << 3;
    uint64_t table[4], page, entry;
    int level;
    for (level = 0; level < 4; ++level) table[level] = alloc_frame(g);
    for (level = 0; level < 3; ++level) {
        entry = table[level + 1] | kAll;
        CHECK_EQ(vtless_write(g->machine, table[level], &entry, sizeof entry), VTLESS_OK);
    }
    for (page = 0; page < GUEST_BYTES / 4096; ++page) {
        entry = (g->ram + page * 4096) | kAll | kWriteBack;
        CHECK_EQ(vtless_write(g->machine, table[3] + page * 8, &entry, sizeof entry), VTLESS_OK);
    }
    return table[0] | 3u << 3 | 6u;
}

static void enter_vmx_operation(guest* g) {
    CHECK_SUCCEEDS(vtless_write_cr(g->processor, 4, read_cr(g, 4) | kCr4Vmxe));
    g->vmxon = alloc_region(g);
    CHECK_SUCCEEDS(vtless_vmxon(g->processor, g->vmxon));
    g->vmcs = alloc_region(g);
    CHECK_SUCCEEDS(vtless_vmclear(g->processor, g->vmcs));
    CHECK_SUCCEEDS(vtless_vmptrld(g->processor, g->vmcs));
    write_controls(g, build_ept(g));
    write_host_state(g);
    write_guest_state(g);
}

void open_machine(guest* g, const char* cpu_profile) {
    vtless_machine_config config;
    memset(&config, 0, sizeof config);
    memset(g, 0, sizeof *g);
    config.size = sizeof config;
    config.memory_bytes = 4u << 20;
    config.cpu_profile = cpu_profile;
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &config, &g->machine), VTLESS_OK);
    CHECK_EQ(vtless_add_processor(g->machine, &g->processor), VTLESS_OK);
}

void open_guest(guest* g) {
    open_machine(g, NULL);
    CHECK_EQ(vtless_alloc_frames(g->machine, GUEST_BYTES / 4096, 4096, &g->ram), VTLESS_OK);
    enter_vmx_operation(g);
}

void open_guest_beside(guest* g, const guest* first) {
    memset(g, 0, sizeof *g);
    g->machine = first->machine;
    g->ram = first->ram;
    CHECK_EQ(vtless_add_processor(g->machine, &g->processor), VTLESS_OK);
    enter_vmx_operation(g);
}

void close_guest(guest* g) { CHECK_EQ(vtless_close(g->machine), VTLESS_OK); }

void put_code(guest* g, uint64_t gpa, const void* bytes, uint64_t count) {
    CHECK_EQ(vtless_write(g->machine, g->ram + gpa, bytes, count), VTLESS_OK);
}

uint32_t run(guest* g) {
    uint32_t reason;
    if (g->launched) {
        CHECK_SUCCEEDS(vtless_vmresume(g->processor, &g->gprs));
    } else {
        CHECK_SUCCEEDS(vtless_vmlaunch(g->processor, &g->gprs));
    }
    reason = (uint32_t)vmread(g, EXIT_REASON);
    if ((reason >> 31) == 0) g->launched = 1;
    return reason & 0xffff;
}

uint32_t skip(guest* g) {
    vmwrite(g, GUEST_RIP, vmread(g, GUEST_RIP) + vmread(g, EXIT_INSTRUCTION_LENGTH));
    return run(g);
}
