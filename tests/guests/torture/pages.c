// SPDX-License-Identifier: MIT
// Page faults with exact addresses, and that nothing of the faulting access happened.
#include "torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char* pages;  // two, the second one refused
static unsigned char* edge;   // where the second begins

// Operands are reached through RBX.
#define AT_RBX "mov target(%rip), %rbx"
__attribute__((used)) unsigned long target;

SNIPPET(load_1, AT_RBX, "mov (%rbx), %al");
SNIPPET(load_8_across, AT_RBX, "mov -3(%rbx), %rax");
SNIPPET(store_8_across, AT_RBX "\n mov $-1, %rax", "mov %rax, -3(%rbx)");
SNIPPET(store_16_across, AT_RBX, "movups %xmm0, -7(%rbx)");
SNIPPET(add_across, AT_RBX, "addq $1, -1(%rbx)");
SNIPPET(lock_add_across, AT_RBX, "lock addl $1, -2(%rbx)");
SNIPPET(xchg_across, AT_RBX, "xchg %rax, -4(%rbx)");
SNIPPET(fxsave_across, AT_RBX, "fxsave -256(%rbx)");
SNIPPET(fld_across, AT_RBX, "fldt -5(%rbx)");
SNIPPET(fstp_across, AT_RBX "\n fninit\n fld1", "fstpt -5(%rbx)");
SNIPPET(call_stack, AT_RBX "\n mov %rsp, %rdx\n mov %rbx, %rsp\n add $8, %rsp", "call load_1");
SNIPPET(push_stack, AT_RBX "\n mov %rsp, %rdx\n lea 8(%rbx), %rsp", "push %rax");
SNIPPET(enter_stack, AT_RBX "\n mov %rsp, %rdx\n mov %rbp, %rcx\n lea 8(%rbx), %rsp", "enter $16, $0");
SNIPPET(pop_to_memory, AT_RBX "\n mov %rsp, %rdx\n lea -16(%rbx), %rsp", "popq 0(%rbx)");

// The snippets change RBX, and some move the stack: all is put back before they return.
__attribute__((used)) unsigned long saved_rsp;
extern const char back_to_caller[];
__asm__(".text\nback_to_caller: mov saved_rsp(%rip), %rsp\n ret\n");
#define CALLED(name)                                                                 \
    static void call_##name(void) {                                                  \
        __asm__ volatile(                                                            \
            "push %%rbx\n push %%rbp\n lea 1f(%%rip), %%rax\n push %%rax\n"          \
            "mov %%rsp, saved_rsp(%%rip)\n jmp " #name "\n 1: pop %%rbp\n pop %%rbx" :: \
                : "rax", "rcx", "rdx", "xmm0", "memory", "cc");                      \
    }
#define ON_PAGE(name) report_on_page(#name, call_##name, name##_at)

static void report_on_page(const char* name, void (*code)(void), const char* at) {
    memset(pages, 0x5a, PAGE);
    const unsigned long before = checksum(pages, PAGE);
    report(name, code, at, back_to_caller, (unsigned long)edge);
    if (checksum(pages, PAGE) != before) printf("  and it wrote\n");
}

CALLED(load_1)
CALLED(load_8_across)
CALLED(store_8_across)
CALLED(store_16_across)
CALLED(add_across)
CALLED(lock_add_across)
CALLED(xchg_across)
CALLED(fxsave_across)
CALLED(fld_across)
CALLED(fstp_across)
CALLED(call_stack)
CALLED(push_stack)
CALLED(enter_stack)
CALLED(pop_to_memory)

static void grant_second_page(void) { mprotect(edge, PAGE, PROT_READ | PROT_WRITE); }

// Move or fill RDX bytes, backwards if ECX; the rest of the count is the result.
unsigned long move_bytes(void* to, const void* from, unsigned long count, bool backwards);
unsigned long fill_bytes(void* to, const void* from, unsigned long count, bool backwards);
extern const char move_bytes_end[], fill_bytes_end[];
#define REPEAT(name, instruction)                                                     \
    __asm__(".text\n" #name ": movzx %cl, %eax\n mov %rdx, %rcx\n test %eax, %eax\n" \
            "jz 1f\n std\n 1: mov $0x77, %al\n rep " instruction "\n" #name "_end:\n"  \
            "cld\n mov %rcx, %rax\n ret\n")
REPEAT(move_bytes, "movsb");
REPEAT(fill_bytes, "stosb");

// A fault in the middle leaves exact counters; forwards, the handler provides the page and it goes on.
static void report_repeat(bool move, bool backwards) {
    static unsigned char source[512];
    for (unsigned i = 0; i < sizeof source; i++) source[i] = (unsigned char)(i * 7);
    catch_faults();
    mprotect(edge, PAGE, backwards ? PROT_READ | PROT_WRITE : PROT_NONE);
    mprotect(pages, PAGE, backwards ? PROT_NONE : PROT_READ | PROT_WRITE);
    if (backwards) {
        resume_at = (unsigned long)(move ? move_bytes_end : fill_bytes_end);
    } else {
        on_fault = grant_second_page;
    }
    unsigned char* const to = backwards ? edge + 19 : edge - 20;
    const unsigned long left = (move ? move_bytes : fill_bytes)(to, source + 200, 50, backwards);
    printf("rep %s %s: faults %d, rcx %lu, rdi%+ld, address%+ld, left %lu", move ? "movsb" : "stosb",
           backwards ? "backwards" : "forwards", last_fault.count, last_fault.rcx,
           (long)(last_fault.rdi - (unsigned long)edge), (long)(last_fault.address - (unsigned long)edge),
           left);
    mprotect(pages, 2 * PAGE, PROT_READ | PROT_WRITE);
    printf(", sum %lx\n", checksum(edge - 32, 64));
    ignore_faults();
}

static void report_grow_and_truncate(void) {
    const int file = memfd_create("f", 0);
    if (file < 0 || ftruncate(file, (long)PAGE)) return;
    target = (unsigned long)mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) + PAGE;
    report("load_1", call_load_1, load_1_at, back_to_caller, target);
    if (ftruncate(file, (long)(2 * PAGE))) return;
    report("load_1", call_load_1, load_1_at, back_to_caller, target);
    munmap((void*)(target - PAGE), 2 * PAGE);
    report("load_1", call_load_1, load_1_at, back_to_caller, target);
    close(file);
}

void test_pages(void) {
    pages = map_pages(2, PROT_READ | PROT_WRITE);
    edge = pages + PAGE;
    target = (unsigned long)edge;
    mprotect(edge, PAGE, PROT_NONE);
    ON_PAGE(load_1);
    ON_PAGE(load_8_across);
    ON_PAGE(store_8_across);
    ON_PAGE(store_16_across);
    ON_PAGE(add_across);
    ON_PAGE(lock_add_across);
    ON_PAGE(xchg_across);
    ON_PAGE(fxsave_across);
    ON_PAGE(fld_across);
    ON_PAGE(fstp_across);
    ON_PAGE(call_stack);
    ON_PAGE(push_stack);
    ON_PAGE(enter_stack);
    ON_PAGE(pop_to_memory);
    mprotect(edge, PAGE, PROT_READ);
    printf("second page read-only\n");
    ON_PAGE(load_8_across);
    ON_PAGE(store_8_across);
    ON_PAGE(add_across);
    ON_PAGE(xchg_across);
    report_repeat(true, false);
    report_repeat(false, false);
    report_repeat(true, true);
    report_repeat(false, true);
    report_grow_and_truncate();
}
