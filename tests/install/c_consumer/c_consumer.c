/* SPDX-License-Identifier: MIT
 * The smallest use of libvtless: a processor enters VMX operation, and leaves it. */
#include <stdio.h>
#include <vtless/vmx.h>

int main(void) {
    const vtless_machine_config config = {sizeof config, 0, 1 << 20, NULL};
    vtless_machine* machine;
    vtless_processor* processor;
    uint64_t basic, cr4, region;
    uint32_t revision;
    if (vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &config, &machine) != VTLESS_OK ||
        vtless_add_processor(machine, &processor) != VTLESS_OK ||
        vtless_alloc_frames(machine, 1, 4096, &region) != VTLESS_OK) {
        fprintf(stderr, "%s\n", vtless_error_text());
        return 1;
    }
    vtless_rdmsr(processor, 0x480, &basic);
    revision = (uint32_t)basic;
    vtless_write(machine, region, &revision, sizeof revision);
    vtless_read_cr(processor, 4, &cr4);
    vtless_write_cr(processor, 4, cr4 | 0x2000);
    if (vtless_vmxon(processor, region).kind != VTLESS_SUCCEED ||
        vtless_vmxoff(processor).kind != VTLESS_SUCCEED) {
        return 1;
    }
    puts("in VMX operation and out");
    return vtless_close(machine);
}
