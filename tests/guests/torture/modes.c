// SPDX-License-Identifier: MIT
// 32-bit code in a 64-bit process, and what reads or loads segments. 0x23, 0x33, 0x2b are Linux's selectors.
#include "torture.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Lies below 4 GiB: what 32-bit code can reach. The assembly below knows the offsets.
struct low_page {
    uint64_t rsp;             // 0
    struct {
        uint32_t offset;
        uint32_t selector;
    } into, back;             // 8, 16
    uint32_t cs, process;     // 24, 28
    uint32_t daa, aam, incs;  // 32, 36, 40
    uint32_t stack_delta;     // 44
    uint32_t loop;            // 48
    uint32_t unused;
    char code[512];           // 56
};
_Static_assert(offsetof(struct low_page, code) == 56, "the assembly says so");

void run_compat(struct low_page* low);
extern const char compat_begin[], compat_back[], compat_fault[], compat_after_fault[], compat_end[];
__asm__(
    ".text\n"
    ".globl run_compat\n"
    "run_compat: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "  mov %rdi, %rbx\n mov %rsp, (%rbx)\n lea 8192(%rbx), %rsp\n ljmpl *8(%rbx)\n"
    "compat_begin: .code32\n"
    "  mov %ebx, %esi\n mov %ss, %eax\n mov %eax, %ds\n mov %eax, %es\n"
    "  push %cs\n pop %eax\n mov %eax, 24(%esi)\n"
    "  mov $20, %eax\n int $0x80\n mov %eax, 28(%esi)\n"  // getpid
    "  mov $0x79, %al\n add $0x35, %al\n daa\n movzx %al, %eax\n mov %eax, 32(%esi)\n"
    "  mov $77, %eax\n aam\n mov %eax, 36(%esi)\n"
    "  xor %eax, %eax\n .byte 0x40, 0x40, 0x40, 0x48\n mov %eax, 40(%esi)\n"  // inc, dec, not REX
    "  enter $16, $1\n pusha\n mov %ebp, %eax\n sub %esp, %eax\n leave\n mov %eax, 44(%esi)\n"
    "  mov $1000, %ecx\n xor %eax, %eax\n 1: add %ecx, %eax\n loop 1b\n mov %eax, 48(%esi)\n"
    "compat_fault: ud2\n"
    "compat_after_fault: mov %esi, %ebx\n ljmp *16(%ebx)\n"
    ".code64\n"
    "compat_back: mov %ebx, %ebx\n mov (%rbx), %rsp\n"
    "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n"
    "compat_end:\n");

static void run_32_bit_code(void) {
    struct low_page* const low = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) return;
    memcpy(low->code, compat_begin, (size_t)(compat_end - compat_begin));
    const uint32_t base = (uint32_t)(uintptr_t)low->code;
    low->into.offset = base;
    low->into.selector = 0x23;
    low->back.offset = base + (uint32_t)(compat_back - compat_begin);
    low->back.selector = 0x33;
    catch_faults();
    resume_at = base + (unsigned long)(compat_after_fault - compat_begin);
    run_compat(low);
    printf("32-bit: cs %#x, int 0x80 %s, daa %#x, aam %#x, inc %u, enter and pusha %u, loop %u\n", low->cs,
           low->process == (uint32_t)getpid() ? "getpid" : "wrong", low->daa, low->aam, low->incs,
           low->stack_delta, low->loop);
    printf("32-bit fault: signal %d trap %lu cs %#lx rip%+ld\n", last_fault.signal, last_fault.trap,
           last_fault.cs,
           (long)(last_fault.rip - base) - (long)(compat_fault - compat_begin));
    ignore_faults();
    munmap(low, 2 * PAGE);
}

// LAR leaves bits 19:16 undefined, and the accessed bit depends on who was here before.
static const unsigned kDefinedRights = 0xf0fe00;

static void read_access_rights(void) {
    static const unsigned kSelectors[] = {0, 3, 0x10, 0x18, 0x23, 0x2b, 0x33, 0x40, 0x7b, 0xfff8, 0x4};
    for (unsigned i = 0; i < sizeof kSelectors / sizeof kSelectors[0]; i++) {
        const unsigned selector = kSelectors[i];
        unsigned rights = 0, limit = 0;
        unsigned char has_rights, has_limit, readable, writable;
        __asm__ volatile("lar %2, %0\n setz %1" : "+r"(rights), "=r"(has_rights) : "r"(selector) : "cc");
        __asm__ volatile("lsl %2, %0\n setz %1" : "+r"(limit), "=r"(has_limit) : "r"(selector) : "cc");
        __asm__ volatile("verr %w1\n setz %0" : "=r"(readable) : "r"(selector) : "cc");
        __asm__ volatile("verw %w1\n setz %0" : "=r"(writable) : "r"(selector) : "cc");
        if (selector == 0x7b) limit = 0;  // that one is the processor's number
        printf("selector %#x: lar %d %#x, lsl %d %#x, verr %d, verw %d\n", selector, has_rights,
               rights & kDefinedRights, has_limit, limit, readable, writable);
    }
}

static void load_segments(void) {
    struct user_desc data = {.entry_number = 2, .base_addr = 0, .limit = 0xfffff, .seg_32bit = 1,
                             .limit_in_pages = 1, .useable = 1};
    static const char kText[] = "through fs";
    struct user_desc small = {.entry_number = 3, .limit = 0x1234, .seg_32bit = 1, .useable = 1};
    if (syscall(SYS_modify_ldt, 0x11, &data, sizeof data) ||
        syscall(SYS_modify_ldt, 0x11, &small, sizeof small)) {
        printf("modify_ldt failed\n");
        return;
    }
    unsigned ds = 0, limit = 0, rights = 0;
    __asm__ volatile("mov %1, %%ds\n mov %%ds, %0\n mov %2, %%ds" : "=&r"(ds) : "r"(0x17u), "r"(0) : "memory");
    __asm__ volatile("lsl %1, %0" : "=r"(limit) : "r"(0x1fu) : "cc");
    __asm__ volatile("lar %1, %0" : "=r"(rights) : "r"(0x1fu) : "cc");
    printf("ldt: ds %#x, limit %#x, rights %#x\n", ds, limit, rights & kDefinedRights);

    unsigned long base = 0;
    char first = 0;
    syscall(SYS_arch_prctl, ARCH_SET_GS, kText);
    __asm__ volatile("movb %%gs:8, %0" : "=r"(first));
    syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
    printf("gs: '%c', base %s\n", first, base == (unsigned long)kText ? "kept" : "lost");
    __asm__ volatile("mov %0, %%gs" ::"r"(0));
}

static void return_by_iret(void) {
    unsigned long rsp_before = 0, rsp_after = 0;
    __asm__ volatile(
        "mov %%rsp, %0\n mov %%rsp, %%rdx\n mov %%ss, %%eax\n push %%rax\n push %%rdx\n pushf\n"
        "orq $0x41, (%%rsp)\n mov %%cs, %%eax\n push %%rax\n lea 1f(%%rip), %%rax\n push %%rax\n iretq\n"
        "1: mov %%rsp, %1\n"
        : "=&r"(rsp_before), "=&r"(rsp_after)
        :
        : "rax", "rdx", "memory", "cc");
    printf("iretq: stack %s\n", rsp_before == rsp_after ? "kept" : "lost");
    // retfq to this code segment, then lretl's form to 32-bit code is run_compat's business.
    unsigned long flag = 0;
    __asm__ volatile("mov %%cs, %%eax\n push %%rax\n lea 1f(%%rip), %%rax\n push %%rax\n lretq\n ud2\n 1: inc %0"
                     : "+r"(flag)::"rax", "memory", "cc");
    printf("lretq: %lu\n", flag);
}

SNIPPET(iretq_to_kernel, "mov %rsp, %rdx\n push $0x2b\n push %rdx\n push $0x202\n push $0x10\n push $0", "iretq");
SNIPPET(iretq_noncanonical, "mov %rsp, %rdx\n movabs $0x8000000000000000, %rax\n"
        "push $0x2b\n push %rdx\n push $0x202\n push $0x33\n push %rax", "iretq");
extern const char back_to_stack[];

// A 32-bit program: its SYSENTER, INT 0x80 and vDSO calls.
static void run_32_bit_program(void) {
    const pid_t child = fork();
    if (child == 0) {
        execl("/bin/torture32", "torture32", NULL);
        _exit(111);
    }
    int status = 0;
    waitpid(child, &status, 0);
    printf("32-bit program: status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

void test_modes(void) {
    run_32_bit_code();
    read_access_rights();
    load_segments();
    return_by_iret();
    report("iretq_to_kernel", iretq_to_kernel, iretq_to_kernel_at, back_to_stack, 0);
    report("iretq_noncanonical", iretq_noncanonical, iretq_noncanonical_at, back_to_stack, 0);
    run_32_bit_program();
}
