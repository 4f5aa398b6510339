/* SPDX-License-Identifier: MIT */
#include "guest.inc"
.code32
start:
    mov $0x10000000, %ebx
    mov $0x40, %esi
    mov %ebx, %ebp
    mov %esp, %edi
    mov (%ebx), %dl
    mov (%ebx,%esi), %dl
    mov (%ebx,%esi,2), %dl
    mov (%ebx,%esi,4), %dl
    mov (%ebx,%esi,8), %dl
    mov device(,%esi,8), %dl
    mov (%ebp), %dl
    mov 4(%ebp,%esi,2), %dl
    mov %ebx, %esp
    mov 0x10(%esp), %dl
    mov (%esp,%esi,4), %dl
    mov %edi, %esp
    mov %fs:0x20(%ebx), %dl
    mov 0x10000050, %al
    mov device+0x60, %dl
    mov -0x40(%ebx,%esi), %dl
    END
