// SPDX-License-Identifier: MIT
// What guests execute. Each ends in VMCALL, which exits whatever the controls say.

  .text
  .code64
  .globl guest_vmcall, guest_handlers
guest_vmcall:
  vmcall
  vmcall

// The handler of vector n, at guest_handlers + 8 * n.
  .balign 16
guest_handlers:
  .rept 256
  .balign 8
  vmcall
  .endr

  .balign 16
  .globl guest_page_accesses, guest_page_faults
guest_page_accesses:
  mov 0x600000, %eax
  vmcall
  .balign 16
  mov %eax, 0x600000
  vmcall
page_fault:
  mov 0x40000000, %eax
  vmcall
  .balign 8
guest_page_faults:
  .quad page_fault

  .comm scratch, 4096, 4096

// snippet "INSTRUCTIONS": one row of exit_rows(), their bytes. RAX = 11H, RBX = 22H, RCX = 0, RDX = 33H, RSI = 44H;
// RDI and RBP hold the address of `scratch`, which is 0.
.macro snippet instructions
  .pushsection .rodata.snippets, "a"
  .quad 9f
  .popsection
  .balign 16
9:
  \instructions
  vmcall
  vmcall
.endm

  .section .rodata.snippets, "a"
  .globl guest_snippets, guest_snippets_end
  .balign 8
guest_snippets:
  .text

  snippet "cpuid"
  snippet "hlt"
  snippet "sti; hlt"
  snippet "invd"
  snippet "wbinvd"
  snippet "rdtsc"
  snippet "rdtscp"
  snippet "rdpmc"
  snippet "pause"
  snippet "invlpg (%rdi)"
  snippet "invlpg %gs:0x1234(%rdi,%rsi,4)"
  snippet "monitor"
  snippet "mwait"
  snippet "xsetbv"
  snippet "clts"
  snippet "lmsw %ax"
  snippet "lmsw (%rdi)"
  snippet "mov $0x21, %eax; lmsw %ax"
  snippet "smsw %eax"
  snippet "mov %cr0, %rax"
  snippet "mov %cr3, %rax; mov %rax, %cr3"
  snippet "mov %cr4, %r9; mov %r9, %cr4"
  snippet "mov %cr0, %r10; mov %r10, %cr0"
  snippet "mov %cr0, %r10; xor $8, %r10; mov %r10, %cr0"
  snippet "mov %cr0, %r10; xor $0x20, %r10; mov %r10, %cr0"
  snippet "mov %cr0, %r10; btr $31, %r10; mov %r10, %cr0"
  snippet "mov %cr4, %r9; xor $0x80, %r9; mov %r9, %cr4"
  snippet "mov %cr4, %r9; xor $0x2000, %r9; mov %r9, %cr4"
  snippet "mov %cr4, %r9; xor $0x20, %r9; mov %r9, %cr4"
  snippet "mov %cr8, %rax"
  snippet "mov %rbx, %cr8"
  snippet "mov $3, %ebx; mov %rbx, %cr8"
  snippet "mov %rax, %cr2"
  snippet "mov %dr7, %rax"
  snippet "mov %rax, %dr7"
  snippet "mov %r12, %dr0"
  snippet "mov %db3, %r13"
  snippet "mov %rax, %db6"
  snippet "in $0x60, %al"
  snippet "in %dx, %eax"
  snippet "out %ax, $0x71"
  snippet "out %al, %dx"
  snippet "mov $0xffff, %edx; in %dx, %ax"
  snippet "mov $0xfffe, %edx; in %dx, %eax"
  snippet "insb"
  snippet "insl"
  snippet "outsb"
  snippet "outsw %fs:(%rsi), %dx"
  snippet "rep outsb"
  snippet "mov $2, %ecx; rep insw"
  snippet "mov $2, %ecx; addr32 rep outsl"
  snippet "rdmsr"
  snippet "mov $0xc0000080, %ecx; rdmsr"
  snippet "mov $0x1fff, %ecx; rdmsr"
  snippet "mov $0x174, %ecx; rdmsr; wrmsr"
  snippet "mov $0xc0000100, %ecx; wrmsr"
  snippet "mov $0xc0000080, %ecx; rdmsr; wrmsr"
  snippet "mov $0x40000000, %ecx; wrmsr"
  snippet "sgdt (%rdi)"
  snippet "sidt 0x100(%rdi)"
  snippet "lgdt (%rbp)"
  snippet "lidt 8(%rdi,%rcx,8)"
  snippet "sldt %eax"
  snippet "sldt (%rdi)"
  snippet "str %r9w"
  snippet "lldt %cx"
  snippet "lldt (%rdi)"
  snippet "ltr %cx"
  snippet "vmclear (%rdi)"
  snippet "vmptrld 0x10(%rdi,%rsi,2)"
  snippet "vmptrst %fs:(%rdi)"
  snippet "vmread %rax, %rbx"
  snippet "vmread %r9, 8(%rdi)"
  snippet "vmwrite %rbx, %rax"
  snippet "vmwrite (%rdi), %r10"
  snippet "vmlaunch"
  snippet "vmresume"
  snippet "vmxoff"
  snippet "vmxon (%rdi)"
  snippet "invept (%rdi), %rax"
  snippet "invvpid 0x20(%rsp), %r8"
  snippet "vmfunc"
  snippet "rsm"
  snippet "invpcid (%rdi), %rcx"
  snippet "rdrand %eax"
  snippet "rdseed %rcx"
  snippet "getsec"
  snippet "xgetbv"
  snippet "syscall"
  snippet "swapgs"
  snippet "ud2"
  snippet "int3"
  snippet "int $3"
  snippet "int $0x21"
  snippet "int $0x80"
  snippet "int1"
  snippet "xor %ecx, %ecx; div %ecx"
  snippet "mov $0x40000000, %ebx; mov (%rbx), %eax"
  snippet "mov $0x40000000, %ebx; mov %eax, (%rbx)"
  snippet "mov $0x40000000, %ebx; jmp *%rbx"
  snippet "mov $0x40000000, %ebx; push (%rbx)"
  snippet "mov $0x3fffffff, %ebx; lock incl (%rbx)"
  snippet "movabs $0x800000000000, %rbx; mov (%rbx), %eax"
  snippet "movabs $0x800000000000, %rbx; jmp *%rbx"
  snippet "movabs $0x800000000000, %rbp; mov (%rbp), %eax"
  snippet "mov $0x20, %eax; mov %eax, %ds"
  snippet "mov $0x58, %eax; mov %eax, %ds"
  snippet "mov $0x58, %eax; mov %eax, %ss"
  snippet "pushq $0x58; pushq $0x1234; lretq"
  snippet "iretq"
  snippet "mov %ss, %eax; mov %eax, %ss; hlt"
  snippet "mov %ss, %eax; mov %eax, %ss; int3"
  snippet "sti; cpuid"
  snippet "pushfq; orl $0x100, (%rsp); popfq; nop; nop"
  snippet "pushfq; orl $0x100, (%rsp); popfq; cpuid"
  snippet "pushfq; orl $0x100, (%rsp); popfq; mov %ss, %eax; mov %eax, %ss; nop; nop"
  snippet "pushfq; orl $0x40100, (%rsp); popfq; int $0x80"
  snippet "fninit; mov %cr0, %rax; or $8, %eax; mov %rax, %cr0; fnop"
  snippet "mov %cr0, %rax; or $4, %eax; mov %rax, %cr0; fnop"
  snippet "clac"
  snippet "lock; nop"
  snippet "1: jmp 1b"
  snippet "vmcall"
  snippet "rdtsc; rdtsc; rdtsc"
  snippet "mov $0x48, %ecx; rdmsr"
  snippet "mov $0x1b, %ecx; rdmsr"
  snippet "mov $0x10, %ecx; wrmsr"
  snippet "mov $0x277, %ecx; rdmsr"
  snippet "mov $0x277, %ecx; wrmsr"
  snippet "mov $0x480, %ecx; rdmsr"

  .section .rodata.snippets, "a"
guest_snippets_end:

  .section .note.GNU-stack, "", @progbits
