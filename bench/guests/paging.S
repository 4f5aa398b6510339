// SPDX-License-Identifier: MIT
// Guests of the gate whose accesses walk. RSI: data. RDI: where EPT refuses.
#include "bench/guests/guest.inc"

GUEST(store_loop)
1:  mov %rax, (%rdi)
    out %al, $0x80
    jmp 1b
END_GUEST(store_loop)

GUEST(load_loop)
1:  mov (%rdi), %rax
    out %al, $0x80
    jmp 1b
END_GUEST(load_loop)

GUEST(fetch_elsewhere)
    jmp *%rdi
END_GUEST(fetch_elsewhere)

GUEST(data_and_out)
1:  mov (%rsi), %rax
    out %al, $0x80
    jmp 1b
END_GUEST(data_and_out)

.section .note.GNU-stack, "", %progbits
