// SPDX-License-Identifier: MIT
// One faulting instruction each: signal, vector, error code, position, address.
#include "torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// ------------------------------------------------------------- exceptions --
SNIPPET(ud2, "", "ud2");
SNIPPET(int3, "", "int3");
SNIPPET(int_3, "", ".byte 0xcd, 3");
SNIPPET(int_0x21, "", "int $0x21");
SNIPPET(int_0x0e, "", "int $0x0e");
SNIPPET(icebp, "", ".byte 0xf1");
SNIPPET(into_in_64_bit, "", ".byte 0xce");
SNIPPET(divide_by_zero, "xor %ecx, %ecx", "div %ecx");
SNIPPET(divide_overflow, "mov $0x80000000, %eax\n cltd\n mov $-1, %ecx", "idiv %ecx");
SNIPPET(divide_one_byte, "mov $0x1000, %eax\n mov $1, %cl", "div %cl");
SNIPPET(x87_divide_by_zero, "fninit\n pushq $0x37b\n fldcw (%rsp)\n pop %rax\n fld1\n fldz\n fdivrp", "fwait");

// ---------------------------------------------------- privileged and I/O --
SNIPPET(hlt, "", "hlt");
SNIPPET(cli, "", "cli");
SNIPPET(sti, "", "sti");
SNIPPET(in_immediate, "", "in $0x80, %al");
SNIPPET(in_dx, "mov $0x3fd, %edx", "in %dx, %al");
SNIPPET(out_dx, "mov $0x3f8, %edx\n mov $'!', %al", "out %al, %dx");
SNIPPET(outs, "mov $0x3f8, %edx\n lea in_dx(%rip), %rsi", "outsb");
SNIPPET(rep_ins, "mov $0x3f8, %edx\n mov $4, %ecx\n lea -64(%rsp), %rdi", "rep insb");
SNIPPET(rdmsr, "mov $0x10, %ecx", "rdmsr");
SNIPPET(wrmsr, "mov $0x10, %ecx\n xor %eax, %eax\n xor %edx, %edx", "wrmsr");
SNIPPET(mov_from_cr0, "", "mov %cr0, %rax");
SNIPPET(mov_to_cr3, "xor %eax, %eax", "mov %rax, %cr3");
SNIPPET(mov_to_dr7, "xor %eax, %eax", "mov %rax, %dr7");
SNIPPET(clts, "", "clts");
SNIPPET(lmsw, "xor %eax, %eax", "lmsw %ax");
SNIPPET(lgdt, "", "lgdt -16(%rsp)");
SNIPPET(lidt, "", "lidt -16(%rsp)");
SNIPPET(lldt, "xor %eax, %eax", "lldt %ax");
SNIPPET(ltr, "xor %eax, %eax", "ltr %ax");
SNIPPET(invlpg, "", "invlpg (%rsp)");
SNIPPET(wbinvd, "", "wbinvd");
SNIPPET(swapgs, "", "swapgs");
SNIPPET(sysret, "", "sysretq");
SNIPPET(sysexit, "", "sysexitl");

// --------------------------------------------------------------- segments --
SNIPPET(mov_ds_outside, "mov $0xfff8, %eax", "mov %eax, %ds");
SNIPPET(mov_ds_kernel_data, "mov $0x18, %eax", "mov %eax, %ds");
SNIPPET(mov_ds_user_data, "mov $0x2b, %eax", "mov %eax, %ds");
SNIPPET(mov_ds_null, "xor %eax, %eax", "mov %eax, %ds");
SNIPPET(mov_ss_null, "xor %eax, %eax", "mov %eax, %ss");
SNIPPET(mov_ss_code, "mov $0x33, %eax", "mov %eax, %ss");
SNIPPET(mov_cs_by_modrm, "", ".byte 0x8e, 0xc8");
SNIPPET(far_jump_null, "movl $0, -16(%rsp)\n movw $0, -12(%rsp)", "ljmpl *-16(%rsp)");
SNIPPET(far_jump_data, "movl $0, -16(%rsp)\n movw $0x2b, -12(%rsp)", "ljmpl *-16(%rsp)");
SNIPPET(far_jump_kernel, "movl $0, -16(%rsp)\n movw $0x10, -12(%rsp)", "ljmpl *-16(%rsp)");
SNIPPET(far_jump_tss, "movl $0, -16(%rsp)\n movw $0x40, -12(%rsp)", "ljmpl *-16(%rsp)");

// --------------------------------------------------------- general faults --
SNIPPET(noncanonical_load, "movabs $0x8000000000000000, %rax", "mov (%rax), %eax");
SNIPPET(noncanonical_stack, "mov %rsp, %rdx\n movabs $0x8000000000000000, %rsp", "pop %rax");
SNIPPET(movaps_unaligned, "", "movaps 1(%rsp), %xmm0");
SNIPPET(cmpxchg16b_unaligned, "", "lock cmpxchg16b 4(%rsp)");
SNIPPET(lock_on_register, "", ".byte 0xf0, 0x01, 0xc0");
SNIPPET(sixteen_bytes, "", ".fill 15, 1, 0x66\n .byte 0x90");

// ------------------------------------------------------------- page faults --
SNIPPET(load_null, "", "mov 8, %eax");
SNIPPET(store_null, "", "movl $1, 8");
SNIPPET(load_kernel, "", "mov 0xffffffff81000000, %eax");
SNIPPET(store_kernel, "", "movl $1, 0xffffffff81000000");
SNIPPET(rmw_null, "", "lock incl 16");
SNIPPET(prefetch_null, "", "prefetcht0 8");

static void restore_data_segments(void) {
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" ::"r"(0));
}

// The stack pointer itself is the bad operand: it comes back from RDX.
extern const char back_to_stack[];
__asm__(".text\n.globl back_to_stack\nback_to_stack: mov %rdx, %rsp\n ret\n");

static void report_calls(void) {
    long by_gate = 0;
    __asm__ volatile("int $0x80" : "=a"(by_gate) : "a"(20L) : "memory");  // getpid there
    printf("int 0x80 in 64-bit code: %s\n", by_gate == getpid() ? "getpid" : "wrong");
    long result = 0, after = 0, flags = 0;
    __asm__ volatile("stc\n syscall\n mov %%r11, %2"
                     : "=a"(result), "=c"(after), "=r"(flags)
                     : "0"(39L)
                     : "r11", "memory");
    printf("syscall: %s, carry in r11 %ld\n", result == getpid() ? "getpid" : "wrong", flags & 1);
}

void test_faults(void) {
    REPORT(ud2, 0);
    REPORT(int3, 0);
    REPORT(int_3, 0);
    REPORT(int_0x21, 0);
    REPORT(int_0x0e, 0);
    REPORT(icebp, 0);
    REPORT(into_in_64_bit, 0);
    REPORT(divide_by_zero, 0);
    REPORT(divide_overflow, 0);
    REPORT(divide_one_byte, 0);
    REPORT(x87_divide_by_zero, 0);
    __asm__ volatile("fninit");

    REPORT(hlt, 0);
    REPORT(cli, 0);
    REPORT(sti, 0);
    REPORT(in_immediate, 0);
    REPORT(in_dx, 0);
    REPORT(out_dx, 0);
    REPORT(outs, 0);
    REPORT(rep_ins, 0);
    REPORT(rdmsr, 0);
    REPORT(wrmsr, 0);
    REPORT(mov_from_cr0, 0);
    REPORT(mov_to_cr3, 0);
    REPORT(mov_to_dr7, 0);
    REPORT(clts, 0);
    REPORT(lmsw, 0);
    REPORT(lgdt, 0);
    REPORT(lidt, 0);
    REPORT(lldt, 0);
    REPORT(ltr, 0);
    REPORT(invlpg, 0);
    REPORT(wbinvd, 0);
    REPORT(swapgs, 0);
    REPORT(sysret, 0);
    REPORT(sysexit, 0);

    REPORT(mov_ds_outside, 0);
    REPORT(mov_ds_kernel_data, 0);
    REPORT(mov_ds_user_data, 0);
    REPORT(mov_ds_null, 0);
    restore_data_segments();
    REPORT(mov_ss_null, 0);
    REPORT(mov_ss_code, 0);
    REPORT(mov_cs_by_modrm, 0);
    REPORT(far_jump_null, 0);
    REPORT(far_jump_data, 0);
    REPORT(far_jump_kernel, 0);
    REPORT(far_jump_tss, 0);

    REPORT(noncanonical_load, 0);
    report("noncanonical_stack", noncanonical_stack, noncanonical_stack_at, back_to_stack, 0);
    REPORT(movaps_unaligned, 0);
    REPORT(cmpxchg16b_unaligned, 0);
    REPORT(lock_on_register, 0);
    REPORT(sixteen_bytes, 0);

    REPORT(load_null, 8);
    REPORT(store_null, 8);
    REPORT(load_kernel, 0xffffffff81000000);
    REPORT(store_kernel, 0xffffffff81000000);
    REPORT(rmw_null, 16);
    REPORT(prefetch_null, 0);
    report_calls();
}
