/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    int $0x30
after:
    int3
after_bp:
    mov $0x7fffffff, %eax
    inc %eax /* overflow */
    into
after_of:
    END
vector_48:
    mov (%esp), %edi
    mov 4(%esp), %ebx
    iret
vector_3:
    mov (%esp), %edx
    iret
vector_4:
    mov (%esp), %ecx
    mov %esp, %esi
    iret
