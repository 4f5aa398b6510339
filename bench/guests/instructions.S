// SPDX-License-Identifier: MIT
// Guests of the gate that execute one instruction again and again. RSI: data.
#include "bench/guests/guest.inc"

// It exits, and whoever handles that goes on behind it.
#define LOOP(name, ...)    \
    GUEST(name);           \
1:  __VA_ARGS__;           \
    jmp 1b;                \
    END_GUEST(name)

// It exits, and the guest gets an exception: the handler is the guest's start, which drops the frame.
#define FAULT(name, ...)   \
    GUEST(name);           \
    mov $0x200000, %esp;   \
    __VA_ARGS__;           \
    END_GUEST(name)

// It does not exit; the OUT behind it does.
#define QUIET(name, ...)   \
    GUEST(name);           \
1:  __VA_ARGS__;           \
    out %al, $0x80;        \
    jmp 1b;                \
    END_GUEST(name)

LOOP(exit_invlpg, invlpg (%rsi))
LOOP(exit_rdpmc, rdpmc)
LOOP(exit_rdtsc, rdtsc)
LOOP(exit_rdtscp, rdtscp)
LOOP(exit_mov_dr, mov %rax, %dr0)
LOOP(exit_pause, pause)
LOOP(exit_rdrand, rdrand %rax)
LOOP(exit_rdseed, rdseed %rax)
LOOP(exit_sgdt, sgdt (%rsi))
LOOP(exit_sldt, sldt (%rsi))
LOOP(exit_invd, invd)
LOOP(exit_wbinvd, wbinvd)
LOOP(exit_cr3_load, mov %rdx, %cr3)
LOOP(exit_cr3_store, mov %cr3, %rdx)
LOOP(exit_cr8_load, mov %rdx, %cr8)
LOOP(exit_cr8_store, mov %cr8, %rdx)
LOOP(exit_clts, clts)
LOOP(exit_lmsw, lmsw %dx)

// CR0.NE, which the host owns, off and on.
GUEST(exit_cr0_load)
    mov %cr0, %rax
1:  xor $0x20, %eax
    mov %rax, %cr0
    jmp 1b
END_GUEST(exit_cr0_load)

FAULT(fault_monitor, monitor)
FAULT(fault_mwait, mwait)
FAULT(fault_vmclear, vmclear (%rsi))
FAULT(fault_vmlaunch, vmlaunch)
FAULT(fault_vmptrld, vmptrld (%rsi))
FAULT(fault_vmptrst, vmptrst (%rsi))
FAULT(fault_vmread, vmread %rax, %rbx)
FAULT(fault_vmresume, vmresume)
FAULT(fault_vmwrite, vmwrite %rax, %rbx)
FAULT(fault_vmxoff, vmxoff)
FAULT(fault_vmxon, vmxon (%rsi))
FAULT(fault_invept, invept (%rsi), %rax)
FAULT(fault_invvpid, invvpid (%rsi), %rax)
FAULT(fault_vmfunc, mov $1, %eax; vmfunc)
// VMXE, which the guest is not offered.
FAULT(fault_cr4_load, mov %cr4, %rax; bts $13, %rax; mov %rax, %cr4)
FAULT(fault_ud2, ud2)
FAULT(fault_load, mov (%rdi), %rax)

QUIET(quiet_cr0, mov %cr0, %rax; xor $2, %eax; mov %rax, %cr0)
QUIET(quiet_cr4, mov %cr4, %rax; xor $4, %eax; mov %rax, %cr4)
QUIET(quiet_cr8, mov %rdx, %cr8; mov %cr8, %rdx)
QUIET(quiet_dr, mov %rsi, %dr0; mov %dr0, %rax)
QUIET(quiet_gdtr, sgdt (%rsi); lgdt (%rsi))
QUIET(quiet_invlpg_elsewhere, invlpg 0x2000(%rsi))
QUIET(quiet_rdtsc, rdtsc)
QUIET(quiet_pause, pause)
QUIET(quiet_rdrand, rdrand %rax)
QUIET(quiet_wbinvd, wbinvd)
QUIET(quiet_wrmsr, wrmsr)
QUIET(quiet_rdmsr, rdmsr)
QUIET(quiet_vmread, vmread %rdx, %rax)
QUIET(quiet_vmwrite, vmwrite %rax, %rdx)
// To the other of two EPTs.
QUIET(quiet_vmfunc, xor %eax, %eax; xor $1, %ecx; vmfunc; mov (%rsi), %rbx)

// x87 and SSE state saved and restored.
GUEST(quiet_xsave)
    mov %cr4, %rax
    bts $18, %rax
    mov %rax, %cr4
    xor %ecx, %ecx
    xor %edx, %edx
    mov $3, %eax
    xsetbv
1:  mov $3, %eax
    xsave (%rsi)
    mov $3, %eax
    xrstor (%rsi)
    out %al, $0x80
    jmp 1b
END_GUEST(quiet_xsave)

.code32
// To a task-state segment that GDT entry 7 describes.
GUEST(task_switch)
1:  ljmp $0x38, $0
    jmp 1b
END_GUEST(task_switch)
.code64

.section .note.GNU-stack, "", %progbits
