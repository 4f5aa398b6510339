// SPDX-License-Identifier: MIT
// The first instructions of root operation's exception handlers: entry n is at exceptions + 16 * n.

#include "samples/rom/exception_entries.inc"

  .text
  .balign 16
  .globl exceptions
exceptions:
  exception_entries 32, exception

// ExceptionFrame of descriptor_tables.h, from its top.
exception:
  push %rax
  push %rcx
  push %rdx
  push %rsi
  push %rdi
  push %r8
  push %r9
  push %r10
  push %r11
  mov %rsp, %rdi
  cld
  call on_exception
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rdi
  pop %rsi
  pop %rdx
  pop %rcx
  pop %rax
  add $16, %rsp
  iretq

  .section .note.GNU-stack, "", @progbits
