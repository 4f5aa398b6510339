// SPDX-License-Identifier: MIT
// From the reset vector to main() in 64-bit mode, the first GiB mapped one to one; and the VMX instructions as
// functions. Each gives 0 (VMsucceed), 1 (VMfailInvalid), 2 (VMfailValid) or 0x100 + the vector of an exception.

#define ROM 0xf0000
#define PML4 0x1000
#define STACK_END 0xf000

  .section .reset, "ax"
  .code16
reset:
  jmp start16

  .text
start16:
  cli
  lgdtl %cs:gdt_pointer - ROM
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

// The stack pointer to return with when what follows raises an exception, or a guest exits.
  .lcomm recover_rsp, 8
  .comm exception_error, 8, 8

outcome:
  mov $0, %eax
  jc 1f
  jz 2f
  ret
1:
  mov $1, %eax
  ret
2:
  mov $2, %eax
  ret

// function NAME, INSTRUCTION...: one argument in RDI, a second in RSI.
.macro function name, instruction
  .globl \name
\name:
  mov %rsp, recover_rsp
  \instruction
  jmp outcome
.endm

  function vmx_on, "vmxon (%rdi)"
  function vmx_off, "vmxoff"
  function vmx_call, "vmcall"
  function vmx_clear, "vmclear (%rdi)"
  function vmx_load_pointer, "vmptrld (%rdi)"
  function vmx_store_pointer, "vmptrst (%rdi)"
  function vmx_write, "vmwrite %rsi, %rdi"
  function vmx_read, "vmread %rdi, (%rsi)"
  function vmx_invept, "invept (%rsi), %rdi"
  function vmx_invvpid, "invvpid (%rsi), %rdi"
  function vmx_launch_behind_mov_ss, "mov %ss, %edi; mov %edi, %ss; vmlaunch"
  function write_msr_parts, "mov %edi, %ecx; mov %esi, %eax; mov %rsi, %rdx; shr $32, %rdx; wrmsr; clc; test %esp, %esp"
  function read_msr_to, "mov %edi, %ecx; rdmsr; mov %eax, (%rsi); mov %edx, 4(%rsi); clc; test %esp, %esp"
  function write_cr0, "mov %rdi, %cr0; clc; test %esp, %esp"
  function write_cr4, "mov %rdi, %cr4; clc; test %esp, %esp"

// VMLAUNCH, or VMRESUME if RDI is not 0. 0 after a VM exit.
  .globl vm_enter, host_entry
vm_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push $after_guest
  mov %rsp, recover_rsp
  mov $0x11, %eax
  mov $0x22, %ebx
  mov $0x33, %edx
  mov $0, %ecx
  mov $0x44, %esi
  mov $scratch, %ebp
  test %edi, %edi
  mov $scratch, %edi
  jne 1f
  vmlaunch
  jmp outcome
1:
  vmresume
  jmp outcome
host_entry:
  mov recover_rsp, %rsp
  xor %eax, %eax
  ret
after_guest:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret

// Exceptions of root operation: entry n is at exceptions + 16 * n.
  .balign 16
  .globl exceptions
exceptions:
  vector = 0
  .rept 32
  .balign 16
  .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
  .else
  push $0
  .endif
  push $vector
  jmp exception
  vector = vector + 1
  .endr
exception:
  pop %rax
  pop %rcx
  mov %rcx, exception_error
  or $0x100, %eax
  mov recover_rsp, %rsp
  ret

  .section .note.GNU-stack, "", @progbits
