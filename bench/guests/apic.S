// SPDX-License-Identifier: MIT
// Guests of the gate with a local APIC, whose page is at RDI.
#include "bench/guests/guest.inc"

// The version.
GUEST(apic_load)
1:  mov 0x30(%rdi), %eax
    jmp 1b
END_GUEST(apic_load)

// The logical destination.
GUEST(apic_store)
1:  mov %eax, 0xd0(%rdi)
    jmp 1b
END_GUEST(apic_store)

GUEST(apic_load_and_out)
1:  mov 0x30(%rdi), %eax
    out %al, $0x80
    jmp 1b
END_GUEST(apic_load_and_out)

// CR8 from 3 to 1.
GUEST(lower_tpr)
    mov $1, %eax
1:  mov %rax, %cr8
    jmp 1b
END_GUEST(lower_tpr)

// Its start is the handler: EOI, and on to wait.
GUEST(wait_for_interrupts)
    mov $0x200000, %esp
    movl $0, 0xb0(%rdi)
    sti
    hlt
END_GUEST(wait_for_interrupts)

.section .note.GNU-stack, "", %progbits
