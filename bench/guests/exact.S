// SPDX-License-Identifier: MIT
// Guests of the gate: each does one thing again and again. RSI: data.
#include "bench/guests/guest.inc"

GUEST(in_loop)
1:  in $0x80, %al
    jmp 1b
END_GUEST(in_loop)

// Four elements an instruction.
GUEST(rep_outs_loop)
1:  mov $4, %ecx
    mov $0x80, %edx
    rep outsl
    sub $16, %rsi
    jmp 1b
END_GUEST(rep_outs_loop)

GUEST(vmcall_loop)
1:  vmcall
    jmp 1b
END_GUEST(vmcall_loop)

// RCX: an MSR that exits.
GUEST(rdmsr_loop)
1:  rdmsr
    jmp 1b
END_GUEST(rdmsr_loop)

GUEST(wrmsr_loop)
1:  wrmsr
    jmp 1b
END_GUEST(wrmsr_loop)

// RDI: a device.
GUEST(mmio_read_loop)
1:  mov (%rdi), %eax
    jmp 1b
END_GUEST(mmio_read_loop)

GUEST(mmio_write_loop)
1:  mov %eax, 8(%rdi)
    jmp 1b
END_GUEST(mmio_write_loop)

// Switches SSE off and on.
GUEST(xsetbv_loop)
    mov %cr4, %rax
    bts $18, %rax
    mov %rax, %cr4
    mov $3, %eax
    xor %edx, %edx
    xor %ecx, %ecx
1:  xsetbv
    xor $2, %eax
    jmp 1b
END_GUEST(xsetbv_loop)

// Runs until the host wants it to stop.
GUEST(spin_loop)
1:  jmp 1b
END_GUEST(spin_loop)

// Opens the interrupt window, then halts. The handler drops the frame.
GUEST(window_loop)
1:  cli
    out %al, $0x80
    sti
    nop
    hlt
    jmp 1b
GUEST_LABEL(window_handler)
    add $40, %rsp
    jmp 1b
END_GUEST(window_loop)

// One page, whose translation is gone each time.
GUEST(invlpg_loop)
1:  invlpg (%rsi)
    mov (%rsi), %rax
    out %al, $0x80
    jmp 1b
END_GUEST(invlpg_loop)

// Sixteen pages after MOV to CR3.
GUEST(mov_cr3_loop)
    mov %cr3, %rdx
1:  mov %rdx, %cr3
    mov $16, %ecx
    mov %rsi, %rbx
2:  mov (%rbx), %rax
    add $4096, %rbx
    dec %ecx
    jnz 2b
    out %al, $0x80
    jmp 1b
END_GUEST(mov_cr3_loop)

// A UART's driver: four bytes, each when the line status says that there is room.
GUEST(port_device_loop)
1:  mov $4, %ecx
2:  mov $0x3fd, %edx
3:  in %dx, %al
    test $0x20, %al
    jz 3b
    mov $0x3f8, %edx
    out %al, %dx
    dec %ecx
    jnz 2b
    jmp 1b
END_GUEST(port_device_loop)

// A driver of a ring: its address, the doorbell, the status until it is done, and the interrupt acknowledged.
// RDI: the device.
GUEST(mmio_device_loop)
1:  mov %esi, (%rdi)
    movl $0, 4(%rdi)
    movw $1, 8(%rdi)
2:  testl $1, 12(%rdi)
    jz 2b
    orl $2, 16(%rdi)
    jmp 1b
END_GUEST(mmio_device_loop)

.section .note.GNU-stack, "", %progbits
