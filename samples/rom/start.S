// SPDX-License-Identifier: MIT
// From the reset vector to main_64() in 64-bit mode, the first GiB mapped one to one, interrupts off.

#define SEGMENT 0xf0000
#define PML4 0x1000
#define STACK_END 0xf000

  .section .reset, "ax"
  .code16
reset:
  jmp start16

  .section .start, "ax"
start16:
  cli
  lgdtl %cs:gdt_pointer - SEGMENT
  mov $1, %eax
  mov %eax, %cr0
  ljmpl $0x08, $start32

  .code32
start32:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  cld
  xor %eax, %eax
  mov $0x1000, %edi
  mov $(0xf000 / 4), %ecx
  rep stosl
  mov $bss_start, %edi
  mov $bss_end, %ecx
  sub %edi, %ecx
  shr $2, %ecx
  rep stosl
  movl $(PML4 + 0x1003), PML4
  movl $(PML4 + 0x2003), PML4 + 0x1000
  mov $0x83, %eax
  mov $(PML4 + 0x2000), %edi
1:
  mov %eax, (%edi)
  add $8, %edi
  add $0x200000, %eax
  cmp $(PML4 + 0x3000), %edi
  jne 1b
  mov $0x20, %eax             // CR4.PAE
  mov %eax, %cr4
  mov $PML4, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx       // IA32_EFER.LME
  xor %edx, %edx
  mov $0x100, %eax
  wrmsr
  mov $0x80000021, %eax       // CR0.PG, NE, PE
  mov %eax, %cr0
  ljmpl $0x18, $start64

  .code64
start64:
  mov $STACK_END, %esp
  call main_64
1:
  hlt
  jmp 1b

  .balign 8
  .globl gdt_pointer
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff    // 08: code, 32 bits
  .quad 0x00cf93000000ffff    // 10: data
  .quad 0x00af9b000000ffff    // 18: code, 64 bits
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .quad gdt

  .section .note.GNU-stack, "", @progbits
