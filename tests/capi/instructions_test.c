/* SPDX-License-Identifier: MIT
 * Instructions of root operation, with each kind of outcome. */
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

enum { DB = 1, UD = 6, GP = 13 };

void test_vmx_operation(void) {
    guest g;
    uint64_t region = 0, value = 0;
    const uint32_t kRevision = 0x12;
    open_machine(&g, NULL);
    region = alloc_frame(&g);
    CHECK_OUTCOME(vtless_vmxon(g.processor, region), VTLESS_FAULT, UD); /* CR4.VMXE */
    CHECK_OUTCOME(vtless_vmread(g.processor, GUEST_RIP, &value), VTLESS_FAULT, UD);
    CHECK_OUTCOME(vtless_vmlaunch(g.processor, &g.gprs), VTLESS_FAULT, UD);
    CHECK_SUCCEEDS(vtless_read_cr(g.processor, 4, &value));
    CHECK_SUCCEEDS(vtless_write_cr(g.processor, 4, value | 0x2000));
    CHECK_OUTCOME(vtless_vmxon(g.processor, region), VTLESS_FAIL_INVALID, 0); /* revision identifier */
    CHECK_EQ(vtless_write(g.machine, region, &kRevision, sizeof kRevision), VTLESS_OK);
    CHECK_OUTCOME(vtless_vmxon(g.processor, region + 8), VTLESS_FAIL_INVALID, 0);
    CHECK_OUTCOME(vtless_vmxon(g.processor, (uint64_t)1 << 30), VTLESS_FAIL_INVALID, 0); /* no memory */
    CHECK_SUCCEEDS(vtless_vmxon(g.processor, region));
    CHECK_OUTCOME(vtless_vmxon(g.processor, region), VTLESS_FAIL_INVALID, 0); /* and no current VMCS */
    CHECK_SUCCEEDS(vtless_vmptrst(g.processor, &value));
    CHECK_EQ(value, ~(uint64_t)0);
    CHECK_OUTCOME(vtless_vmread(g.processor, GUEST_RIP, &value), VTLESS_FAIL_INVALID, 0);
    CHECK_OUTCOME(vtless_vmlaunch(g.processor, &g.gprs), VTLESS_FAIL_INVALID, 0);
    CHECK_OUTCOME(vtless_write_cr(g.processor, 4, 0x20), VTLESS_FAULT, GP); /* VMXE is fixed now */
    CHECK_SUCCEEDS(vtless_vmxoff(g.processor));
    CHECK_OUTCOME(vtless_vmxoff(g.processor), VTLESS_FAULT, UD);
    close_guest(&g);
}

void test_vmcs_instructions(void) {
    guest g;
    uint64_t value = 0x5a5a;
    static const unsigned char kHlt[] = {0xf4};
    open_guest(&g);
    put_code(&g, GUEST_CODE, kHlt, sizeof kHlt);
    CHECK_SUCCEEDS(vtless_vmptrst(g.processor, &value));
    CHECK_EQ(value, g.vmcs);
    CHECK_OUTCOME(vtless_vmclear(g.processor, 123), VTLESS_FAIL_VALID, 2);
    CHECK_OUTCOME(vtless_vmclear(g.processor, g.vmxon), VTLESS_FAIL_VALID, 3);
    CHECK_OUTCOME(vtless_vmptrld(g.processor, 123), VTLESS_FAIL_VALID, 9);
    CHECK_OUTCOME(vtless_vmptrld(g.processor, g.vmxon), VTLESS_FAIL_VALID, 10);
    CHECK_OUTCOME(vtless_vmptrld(g.processor, g.ram), VTLESS_FAIL_VALID, 11);
    CHECK_OUTCOME(vtless_vmxon(g.processor, g.vmxon), VTLESS_FAIL_VALID, 15);
    value = 0x5a5a;
    CHECK_OUTCOME(vtless_vmread(g.processor, 0x7ffe, &value), VTLESS_FAIL_VALID, 12);
    CHECK_EQ(value, 0x5a5a);
    CHECK_OUTCOME(vtless_vmwrite(g.processor, 0x7ffe, 0), VTLESS_FAIL_VALID, 12);
    CHECK_EQ(vmread(&g, VM_INSTRUCTION_ERROR), 12);
    CHECK_SUCCEEDS(vtless_vmwrite(g.processor, EXIT_REASON, 7)); /* IA32_VMX_MISC bit 29 */
    CHECK_EQ(vmread(&g, EXIT_REASON), 7);
    vmwrite(&g, VPID, 0x12345); /* 16 bits */
    CHECK_EQ(vmread(&g, VPID), 0x2345);
    vmwrite(&g, EPT_POINTER + 1, 0xa5); /* the high half of a field of 64 bits */
    CHECK_EQ(vmread(&g, EPT_POINTER) >> 32, 0xa5);
    vmwrite(&g, EPT_POINTER + 1, 0);
    CHECK_OUTCOME(vtless_vmresume(g.processor, &g.gprs), VTLESS_FAIL_VALID, 5);
    CHECK_EQ(run(&g), EXIT_HLT);
    CHECK_OUTCOME(vtless_vmlaunch(g.processor, &g.gprs), VTLESS_FAIL_VALID, 4);
    CHECK_SUCCEEDS(vtless_vmclear(g.processor, g.vmcs));
    CHECK_OUTCOME(vtless_vmresume(g.processor, &g.gprs), VTLESS_FAIL_INVALID, 0);
    CHECK_SUCCEEDS(vtless_vmptrld(g.processor, g.vmcs));
    CHECK_EQ(vmread(&g, GUEST_RIP), GUEST_CODE);
    CHECK_SUCCEEDS(vtless_vmlaunch(g.processor, &g.gprs));
    CHECK_SUCCEEDS(vtless_vmxoff(g.processor));
    close_guest(&g);
}

/* SDM Vol. 3C "INVEPT", "INVVPID" (31.3): types, and what the descriptor must hold. */
void test_invalidations(void) {
    /* mov al, [0f000h]; hlt; jmp to the beginning */
    static const unsigned char kCode[] = {0xa0, 0x00, 0xf0, 0xf4, 0xeb, 0xfa};
    guest g;
    uint64_t descriptor[2] = {0, 0};
    uint64_t entry = 0, pt = 0, eptp, frame = 0;
    int level;
    static const unsigned char kSeen[] = {0x77};
    open_guest(&g);
    eptp = vmread(&g, EPT_POINTER);
    descriptor[0] = eptp;
    CHECK_OUTCOME(vtless_invept(g.processor, 3, descriptor), VTLESS_FAIL_VALID, 28);
    CHECK_SUCCEEDS(vtless_invept(g.processor, 2, descriptor));
    descriptor[0] = eptp | 7;
    CHECK_OUTCOME(vtless_invept(g.processor, 1, descriptor), VTLESS_FAIL_VALID, 28);
    descriptor[0] = 0;
    CHECK_OUTCOME(vtless_invvpid(g.processor, 1, descriptor), VTLESS_FAIL_VALID, 28); /* VPID 0 */
    CHECK_SUCCEEDS(vtless_invvpid(g.processor, 2, descriptor));
    descriptor[0] = 0x10001;
    CHECK_OUTCOME(vtless_invvpid(g.processor, 2, descriptor), VTLESS_FAIL_VALID, 28); /* reserved bits */
    descriptor[0] = 1;
    descriptor[1] = (uint64_t)1 << 62;
    CHECK_OUTCOME(vtless_invvpid(g.processor, 0, descriptor), VTLESS_FAIL_VALID, 28); /* not canonical */
    CHECK_OUTCOME(vtless_invvpid(g.processor, 4, descriptor), VTLESS_FAIL_VALID, 28);

    /* A translation that was used goes on until INVEPT. */
    put_code(&g, GUEST_CODE, kCode, sizeof kCode);
    CHECK_EQ(run(&g), EXIT_HLT);
    for (pt = eptp & ~(uint64_t)0xfff, level = 0; level < 3; ++level) {
        CHECK_EQ(vtless_read(g.machine, pt, &pt, sizeof pt), VTLESS_OK);
        pt &= ~(uint64_t)0xfff;
    }
    frame = alloc_frame(&g);
    CHECK_EQ(vtless_write(g.machine, frame, kSeen, 1), VTLESS_OK);
    entry = frame | 7 | 6u << 3;
    CHECK_EQ(vtless_write(g.machine, pt + 0xf * 8, &entry, sizeof entry), VTLESS_OK);
    descriptor[0] = eptp;
    descriptor[1] = 0;
    CHECK_SUCCEEDS(vtless_invept(g.processor, 1, descriptor));
    CHECK_EQ(skip(&g), EXIT_HLT);
    CHECK_EQ(g.gprs.gpr[0] & 0xff, 0x77);
    close_guest(&g);
}

void test_root_registers(void) {
    enum { IA32_TSC = 0x10, IA32_FEATURE_CONTROL = 0x3a, NO_SUCH_MSR = 0x12345 };
    guest g;
    uint64_t value = 0;
    vtless_cpuid_result cpuid;
    vtless_segment segment;
    vtless_descriptor_table table;
    open_machine(&g, NULL);

    CHECK_SUCCEEDS(vtless_rdmsr(g.processor, IA32_FEATURE_CONTROL, &value));
    CHECK_EQ(value & 5, 5);
    CHECK_OUTCOME(vtless_rdmsr(g.processor, NO_SUCH_MSR, &value), VTLESS_FAULT, GP);
    CHECK_OUTCOME(vtless_wrmsr(g.processor, 0x480, 1), VTLESS_FAULT, GP);
    CHECK_SUCCEEDS(vtless_wrmsr(g.processor, IA32_TSC, 0x1000000));
    CHECK_SUCCEEDS(vtless_rdtsc(g.processor, &value));
    CHECK_EQ(value, 0x1000000);

    CHECK_SUCCEEDS(vtless_read_cr(g.processor, 0, &value));
    CHECK_EQ(value & 0x80000001u, 0x80000001u);
    CHECK_OUTCOME(vtless_write_cr(g.processor, 0, value & ~(uint64_t)1), VTLESS_FAULT, GP);
    CHECK_SUCCEEDS(vtless_write_cr(g.processor, 2, 0xabcd));
    CHECK_SUCCEEDS(vtless_read_cr(g.processor, 2, &value));
    CHECK_EQ(value, 0xabcd);
    CHECK_SUCCEEDS(vtless_read_cr(g.processor, 3, &value));
    CHECK_OUTCOME(vtless_read_cr(g.processor, 1, &value), VTLESS_FAULT, UD);
    CHECK_OUTCOME(vtless_write_cr(g.processor, 3, 0), VTLESS_FAULT, UD);
    CHECK_SUCCEEDS(vtless_write_dr(g.processor, 3, 0x1234));
    CHECK_SUCCEEDS(vtless_read_dr(g.processor, 3, &value));
    CHECK_EQ(value, 0x1234);
    CHECK_OUTCOME(vtless_write_dr(g.processor, 7, (uint64_t)1 << 32), VTLESS_FAULT, GP);
    CHECK_OUTCOME(vtless_read_dr(g.processor, 8, &value), VTLESS_FAULT, UD);

    CHECK_SUCCEEDS(vtless_xgetbv(g.processor, 0, &value));
    CHECK_EQ(value & 1, 1);
    CHECK_SUCCEEDS(vtless_xsetbv(g.processor, 0, 3));
    CHECK_SUCCEEDS(vtless_xgetbv(g.processor, 0, &value));
    CHECK_EQ(value, 3);
    CHECK_OUTCOME(vtless_xsetbv(g.processor, 0, 2), VTLESS_FAULT, GP);
    CHECK_OUTCOME(vtless_xgetbv(g.processor, 7, &value), VTLESS_FAULT, GP);

    CHECK_SUCCEEDS(vtless_cpuid(g.processor, 1, 0, &cpuid));
    CHECK_EQ(cpuid.ecx >> 5 & 1, 1); /* VMX */
    CHECK_SUCCEEDS(vtless_read_segment(g.processor, VTLESS_CS, &segment));
    CHECK_EQ(segment.selector, 8);
    CHECK_SUCCEEDS(vtless_read_segment(g.processor, VTLESS_TR, &segment));
    CHECK(segment.selector != 0 && segment.base != 0);
    CHECK_SUCCEEDS(vtless_sgdt(g.processor, &table));
    CHECK(table.base != 0 && table.limit >= segment.selector);
    CHECK_SUCCEEDS(vtless_sidt(g.processor, &table));
    CHECK_EQ(table.limit, 0xfff);
    close_guest(&g);
}

/* IA32_VMX_BASIC bit 55: TRUE controls. "minimal" has none, and no unrestricted guest. */
void test_processor_profiles(void) {
    guest g;
    uint64_t value = 0;
    open_machine(&g, NULL);
    CHECK_SUCCEEDS(vtless_rdmsr(g.processor, 0x480, &value));
    CHECK_EQ(value >> 55 & 1, 1);
    close_guest(&g);
    open_machine(&g, "minimal");
    CHECK_SUCCEEDS(vtless_rdmsr(g.processor, 0x480, &value));
    CHECK_EQ(value >> 55 & 1, 0);
    CHECK_OUTCOME(vtless_rdmsr(g.processor, 0x48d, &value), VTLESS_FAULT, GP);
    close_guest(&g);
}
