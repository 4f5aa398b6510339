// SPDX-License-Identifier: MIT
// The guest, copied to guest-physical 1000H and started there in real mode: through the processor's modes, one
// exit after the other. EBX counts its own exceptions and interrupts.

#include "samples/rom/exception_entries.inc"

#define GUEST 0x1000
#define HERE(label) (GUEST + label - guest)
#define PAGE_TABLES 0x10000
#define STACK 0x8000

  .section .rodata.guest, "a"
  .balign 16
  .globl guest, guest_end
  .code16
guest:
  mov $STACK, %sp
  xor %ebx, %ebx
  xor %eax, %eax
  cpuid
  xor %ebx, %ebx
  mov $0x55, %al
  out %al, $0x80
  mov $0x1234, %dx
  in %dx, %ax
  out %eax, %dx
  mov $HERE(text), %si
  mov $3, %cx
  mov $0x402, %dx
  cld
  rep outsb
  mov $0x7000, %di
  mov $2, %cx
  rep insw
  mov 0x7002, %ax
  out %ax, $0x80
  hlt
  lgdtl HERE(gdt_pointer)
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $0x08, $HERE(protected)

  .code32
protected:
  mov $0x10, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $STACK, %esp
  mov $0x79, %ecx                 // an MSR that nobody has
  rdmsr
  out %eax, $0x80
  mov $0x12345678, %eax
  mov $0x9abcdef0, %edx
  wrmsr
  mov $0x277, %ecx                // IA32_PAT: the guest's own, no exit
  rdmsr
  mov 0xd0000000, %eax            // a device
  out %eax, $0x80
  movb $0x5a, 0xd0000004
  orl $0x100, 0xd0000008
  mov $0xd0000010, %edi
  mov $2, %ecx
  mov $0xa5, %al
  rep stosb
  mov %ebx, 0xf0010               // memory that is not there yet
  mov 0xf0010, %eax
  mov $7, %eax
  mov $1, %edi
  mov $2, %esi
  vmcall
  out %eax, $0x80

  mov $PAGE_TABLES, %edi          // to 64-bit mode, the first 2 MiB mapped one to one
  movl $(PAGE_TABLES + 0x1003), PAGE_TABLES
  movl $(PAGE_TABLES + 0x2003), PAGE_TABLES + 0x1000
  movl $0x83, PAGE_TABLES + 0x2000
  mov $PAGE_TABLES, %eax
  mov %eax, %cr3
  mov $0x20, %eax
  mov %eax, %cr4
  mov $0xc0000080, %ecx
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
  ljmpl $0x18, $HERE(long)

  .code64
long:
  mov %cr0, %rax
  and $~0x20, %eax                // NE is the host's
  mov %rax, %cr0
  mov %cr0, %rax
  out %eax, $0x80
  mov %cr4, %rax
  out %eax, $0x80
  lidt HERE(idt_pointer)
  mov $0x20, %eax
  ltr %ax
  ud2
  xor %ecx, %ecx
  div %ecx
  mov 0x40000000, %eax            // not mapped: a page fault
  int3
  mov %ebx, %eax
  out %eax, $0x80
  mov $8, %eax                    // asks for interrupt 40H, while interrupts are disabled
  vmcall
  nop
  sti
  nop
  nop
  cli
  mov %ebx, %eax
  out %eax, $0x80
  sti
  hlt
  mov $9, %eax                    // asks for an NMI
  vmcall
  mov %ebx, %eax
  out %eax, $0x80
  wbinvd
  mov $10, %eax                   // asks for a guest state that VM entry refuses
  vmcall
  lidt HERE(no_idt)
  ud2

// Handlers: of n at handlers + 16 * n.
  .balign 16
handlers:
  exception_entries 0x42, handler
handler:
  push %rax
  inc %ebx
  mov 8(%rsp), %eax
  out %al, $0x80
  cmp $0x20, %al
  jae 1f
  cmp $3, %al                     // #BP is behind its instruction, NMIs are between two
  je 1f
  cmp $2, %al
  je 1f
  cmp $14, %al
  je 2f
  addq $2, 24(%rsp)               // UD2 and DIV: 2 bytes
1:
  pop %rax
  add $16, %rsp
  iretq
2:
  addq $7, 24(%rsp)
  jmp 1b

text:
  .ascii "hi\n"
  .balign 8
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff        // 08: code, 32 bits
  .quad 0x00cf93000000ffff        // 10: data
  .quad 0x00af9b000000ffff        // 18: code, 64 bits
  .quad 0x0000890000000067 | (0x9000 << 16)  // 20: TSS
  .quad 0
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long HERE(gdt)
  .balign 8
idt:
  vector = 0
  .rept 0x42
  .word HERE(handlers) + 16 * vector
  .word 0x18, 0x8e00, 0
  .quad 0
  vector = vector + 1
  .endr
idt_pointer:
  .word idt_pointer - idt - 1
  .quad HERE(idt)
no_idt:
  .word 0
  .quad 0
guest_end:

  .section .note.GNU-stack, "", @progbits
