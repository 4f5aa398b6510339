// SPDX-License-Identifier: MIT
// Guests of the gate to which things happen. RSI: data. Where a guest's start is its handler it drops the frame.
#include "bench/guests/guest.inc"

GUEST(handler_halts)
    mov $0x200000, %esp
    hlt
END_GUEST(handler_halts)

// Its start is the handler, which returns to the loop.
GUEST(nmi_loop)
    iretq
GUEST_LABEL(nmi_halt)
1:  hlt
    jmp 1b
END_GUEST(nmi_loop)

// The same, with a handler that exits.
GUEST(nmi_window_loop)
    out %al, $0x80
    iretq
GUEST_LABEL(nmi_window_halt)
1:  hlt
    jmp 1b
END_GUEST(nmi_window_loop)

// A software interrupt whose frame would be in memory that is not there.
GUEST(interrupt_without_stack)
    mov $0x601000, %esp
    int $0x40
END_GUEST(interrupt_without_stack)

// There and back, without an exit.
GUEST(int_and_iret)
1:  int $0x40
    out %al, $0x80
    jmp 1b
GUEST_LABEL(int_handler)
    iretq
END_GUEST(int_and_iret)

// EPT violations that become #VE. The page of information is at data + 10000H.
GUEST(virtualization_exception)
    mov $0x200000, %esp
    movl $0, 0x10004(%rsi)
    out %al, $0x80
    mov 0x600000, %rax
END_GUEST(virtualization_exception)

// #UD that no handler can take.
GUEST(undefined)
    ud2
END_GUEST(undefined)

.section .note.GNU-stack, "", %progbits
