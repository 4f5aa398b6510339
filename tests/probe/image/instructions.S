// SPDX-License-Identifier: MIT
// The VMX instructions as functions. Each gives 0 (VMsucceed), 1 (VMfailInvalid), 2 (VMfailValid) or 0x100 + the
// vector of an exception.

#include "samples/rom/exception_entries.inc"

  .text
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
  exception_entries 32, exception
exception:
  pop %rax
  pop %rcx
  mov %rcx, exception_error
  or $0x100, %eax
  mov recover_rsp, %rsp
  ret

  .section .note.GNU-stack, "", @progbits
