// SPDX-License-Identifier: MIT
// A static 32-bit program without libraries: system calls by INT 0x80, by SYSENTER and through the vDSO.
        .globl  _start
        .text
_start: mov     %esp, %esi              // argc, argv, 0, envp, 0, auxiliary vector
        lodsl
        lea     4(%esi, %eax, 4), %esi
1:      lodsl                           // environment
        test    %eax, %eax
        jnz     1b
2:      lodsl                           // pairs of a type and a value
        mov     %eax, %edx
        lodsl
        cmp     $32, %edx               // AT_SYSINFO
        jne     3f
        mov     %eax, vsyscall
3:      test    %edx, %edx
        jnz     2b

        mov     $1, %edi                // exit status, should something fail
        mov     $20, %eax               // getpid
        int     $0x80
        mov     %eax, process

        mov     $1000, %ebp
4:      mov     $20, %eax
        int     $0x80
        cmp     process, %eax
        jne     fail
        dec     %ebp
        jnz     4b

        inc     %edi
        mov     $1000, %esi
5:      mov     $20, %eax
        call    by_sysenter
        cmp     process, %eax
        jne     fail
        dec     %esi
        jnz     5b

        inc     %edi
        cmpl    $0, vsyscall
        je      fail
        mov     $1000, %esi
6:      mov     $20, %eax
        call    *vsyscall
        cmp     process, %eax
        jne     fail
        dec     %esi
        jnz     6b

        inc     %edi
        push    %ds                     // segments come back as they were
        pop     %fs
        mov     %fs, %eax
        mov     %ds, %edx
        cmp     %dx, %ax
        jne     fail
        xor     %eax, %eax
        mov     %eax, %gs

        inc     %edi                    // write by SYSENTER, with all six argument registers kept
        mov     $4, %eax
        mov     $1, %ebx
        mov     $text, %ecx
        mov     $text_end - text, %edx
        mov     $0x1234567, %esi
        mov     $0x7654321, %ebp
        push    %edi
        call    by_sysenter
        pop     %edi
        cmp     $text_end - text, %eax
        jne     fail
        cmp     $0x1234567, %esi
        jne     fail
        cmp     $0x7654321, %ebp
        jne     fail
        xor     %edi, %edi

fail:   mov     %edi, %ebx
        mov     $1, %eax                // exit
        int     $0x80

// The kernel returns to the vDSO, which pops these three and returns.
by_sysenter:
        push    %ecx
        push    %edx
        push    %ebp
        mov     %esp, %ebp
        sysenter

        .data
text:   .ascii  "32-bit: int 0x80, sysenter, vsyscall\n"
text_end:
        .bss
        .lcomm  vsyscall, 4
        .lcomm  process, 4
        .section .note.GNU-stack, "", @progbits
