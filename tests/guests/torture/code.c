// SPDX-License-Identifier: MIT
// Code that changes: through its own mapping, an alias, a new mapping; and code that may not run.
#include "torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int (*Function)(void);

// mov $value, %eax; ret
static void write_function(unsigned char* at, int value) {
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}

static int call(const void* at) {
    Function function;
    memcpy(&function, &at, sizeof function);
    return function();
}

static void rewrite_same_mapping(void) {
    unsigned char* const code = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    int stale = 0;
    for (int i = 0; i < 5000; i++) {
        write_function(code, i);
        if (call(code) != i) stale++;
    }
    printf("rewritten, same mapping: stale %d\n", stale);
    // Two functions in one page: calling one must not make changes to the other invisible.
    stale = 0;
    write_function(code + 1024, -1);
    for (int i = 0; i < 5000; i++) {
        unsigned char* const one = code + (i & 1 ? 1024 : 64);
        write_function(one, i);
        if (call(one) != i) stale++;
        const int other = call(code + (i & 1 ? 64 : 1024));
        if (other != i - 1) stale++;
    }
    printf("rewritten, two in one page: stale %d\n", stale);
    munmap(code, PAGE);
}

static void rewrite_alias(void) {
    const int file = memfd_create("code", 0);
    if (file < 0 || ftruncate(file, (long)PAGE)) return;
    unsigned char* const writable = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    unsigned char* const code = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    int stale = 0;
    for (int i = 0; i < 5000; i++) {
        write_function(writable, i);
        if (call(code) != i) stale++;
    }
    printf("rewritten, alias: stale %d\n", stale);
    stale = 0;
    for (int i = 0; i < 500; i++) {
        for (int k = 0; k < 8; k++) write_function(writable + k * 64, i * 8 + k);
        for (int k = 0; k < 8; k++) stale += call(code + k * 64) != i * 8 + k;
    }
    printf("rewritten, alias, eight functions: stale %d\n", stale);
    // By the kernel, through the file.
    stale = 0;
    for (int i = 0; i < 500; i++) {
        unsigned char bytes[6];
        write_function(bytes, i);
        stale += pwrite(file, bytes, sizeof bytes, 0) != (long)sizeof bytes || call(code) != i;
    }
    printf("rewritten, write(): stale %d\n", stale);
    close(file);
    munmap(writable, PAGE);
    munmap(code, PAGE);
}

static void rewrite_by_protection(void) {
    unsigned char* const code = map_pages(1, PROT_READ | PROT_WRITE);
    int stale = 0;
    for (int i = 0; i < 300; i++) {
        mprotect(code, PAGE, PROT_READ | PROT_WRITE);
        write_function(code, i);
        mprotect(code, PAGE, PROT_READ | PROT_EXEC);
        stale += call(code) != i;
    }
    munmap(code, PAGE);
    printf("written, protected, run: stale %d\n", stale);
    stale = 0;
    for (int i = 0; i < 200; i++) {
        unsigned char* const fresh = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        write_function(fresh, -i);
        stale += call(fresh) != -i;
        munmap(fresh, PAGE);
    }
    printf("mapped anew: stale %d\n", stale);
}

// A block that changes its own next instructions: they take effect at once.
static void rewrite_own_block(void) {
    unsigned char* const code = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    static const unsigned char kBlock[] = {
        0x40, 0x88, 0x3d, 0x01, 0, 0, 0,  // mov %dil, 1(%rip): into the next instruction's immediate
        0xb0, 0,                          // mov $0, %al
        0x0f, 0xb6, 0xc0,                 // movzx %al, %eax
        0xc3,
    };
    memcpy(code, kBlock, sizeof kBlock);
    int (*function)(int);
    memcpy(&function, &(void*){code}, sizeof function);
    int stale = 0;
    for (int i = 0; i < 500; i++) stale += function(i & 255) != (i & 255);
    printf("rewritten, own block: stale %d\n", stale);

    // REP STOSB over the instructions that follow it: the new ones run (inc %eax four times).
    static const unsigned char kOverwrite[] = {
        0x48, 0x8d, 0x3d, 0x0b, 0, 0, 0,  // lea 11(%rip), %rdi: what is after the rep stosb and the mov
        0xb9, 4, 0, 0, 0,                 // mov $4, %ecx
        0xb0, 0x90,                       // mov $0x90, %al
        0xf3, 0xaa,                       // rep stosb
        0x31, 0xc0,                       // xor %eax, %eax
        0xff, 0xc0, 0xff, 0xc0,           // inc %eax twice: becomes nop
        0xc3,
    };
    memcpy(code + 256, kOverwrite, sizeof kOverwrite);
    printf("rewritten, rep stosb ahead: %d\n", call(code + 256));
    munmap(code, PAGE);
}

static void run_across_pages(void) {
    unsigned char* const code = map_pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
    int wrong = 0;
    for (unsigned before = 1; before <= 5; before++) {
        for (int i = 0; i < 50; i++) {
            write_function(code + PAGE - before, i);
            wrong += call(code + PAGE - before) != i;
            if (before < 5) {  // the immediate's last byte lies in the second page
                code[PAGE + 4 - before] = 1;
                wrong += call(code + PAGE - before) != (i | 1 << 24);
            }
        }
    }
    printf("instruction across pages: wrong %d\n", wrong);

    // inc %ecx ten times, then an instruction of which the second page has the rest, and is refused.
    memset(code, 0x90, PAGE);
    for (unsigned i = 0; i < 10; i++) memcpy(code + PAGE - 23 + 2 * i, "\xff\xc1", 2);
    memcpy(code + PAGE - 3, "\x48\xb8\x01", 3);
    memset(code + PAGE, 0xc3, 16);
    for (int writable = 0; writable < 2; writable++) {
        mprotect(code + PAGE, PAGE, writable ? PROT_READ | PROT_WRITE : PROT_NONE);
        catch_faults();
        extern const char return_here[];
        resume_at = (unsigned long)return_here;
        unsigned long before = 100;
        __asm__ volatile("call *%1" : "+c"(before) : "r"(code + PAGE - 23) : "rax", "memory", "cc");
        printf("fetch across into a %s page: rip%+ld address%+ld error %#lx rcx %lu\n",
               writable ? "no-execute" : "missing", (long)(last_fault.rip - (unsigned long)code - PAGE),
               (long)(last_fault.address - (unsigned long)code - PAGE), last_fault.error, last_fault.rcx);
        ignore_faults();
    }
    munmap(code, 2 * PAGE);
}
__asm__(".text\n.globl return_here\nreturn_here: ret\n");

__attribute__((used)) unsigned long place;
static void call_place(void) { call((void*)place); }

static void report_no_execute(void) {
    extern const char return_here[];
    unsigned char* const code = map_pages(1, PROT_READ | PROT_WRITE);
    write_function(code, 1);
    place = (unsigned long)code;
    report("execute_data", call_place, (const char*)code, return_here, place);
    unsigned char on_stack[16];
    write_function(on_stack, 1);
    place = (unsigned long)on_stack;
    report("execute_stack", call_place, (const char*)on_stack, return_here, place);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    place = (unsigned long)code;
    report("execute_granted", call_place, (const char*)code, return_here, (unsigned long)code);
    place = 0xffffffff81000000;
    report("execute_kernel", call_place, (const char*)place, return_here, place);
    place = 16;
    report("execute_null", call_place, (const char*)place, return_here, place);
    munmap(code, PAGE);
}

void test_code(void) {
    rewrite_same_mapping();
    rewrite_alias();
    rewrite_by_protection();
    rewrite_own_block();
    run_across_pages();
    report_no_execute();
}
