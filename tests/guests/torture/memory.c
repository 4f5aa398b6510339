// SPDX-License-Identifier: MIT
// Accesses across pages, locked operations, and address spaces that change all the time.
#include "torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void cross_pages(void) {
    unsigned char* const memory = map_pages(3, PROT_READ | PROT_WRITE);
    unsigned char* const edge = memory + PAGE;
    int wrong = 0;
    for (int at = -15; at <= 0; at++) {
        uint64_t eight = 0x1122334455667788 + (uint64_t)at, back = 0;
        unsigned char sixteen[16], copy[16];
        for (int i = 0; i < 16; i++) sixteen[i] = (unsigned char)(i * 3 - at);
        __asm__ volatile("mov %1, (%2)\n mov (%2), %0" : "=&r"(back) : "r"(eight), "r"(edge + at) : "memory");
        wrong += back != eight || memcmp(edge + at, &eight, 8) != 0;
        __asm__ volatile("movups %1, %%xmm3\n movups %%xmm3, (%2)\n movups (%2), %%xmm4\n movups %%xmm4, %0"
                         : "=m"(copy)
                         : "m"(sixteen), "r"(edge + at)
                         : "xmm3", "xmm4", "memory");
        wrong += memcmp(copy, sixteen, 16) != 0 || memcmp(edge + at, sixteen, 16) != 0;
        memcpy(edge + at, &eight, 8);
        __asm__ volatile("lock xaddq %0, (%1)" : "=r"(back) : "r"(edge + at), "0"(5ul) : "memory", "cc");
        uint64_t sum = 0;
        memcpy(&sum, edge + at, 8);
        wrong += back != eight || sum != eight + 5;
    }
    printf("across pages: wrong %d, sum %lx\n", wrong, checksum(memory, 3 * PAGE));
    munmap(memory, 3 * PAGE);
}

static void exchange_16_bytes(void) {
    _Alignas(16) static uint64_t cell[2] = {1, 2};
    int wrong = 0;
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t low = i % 3 ? cell[0] : cell[0] + 1, high = cell[1];
        const uint64_t old_low = cell[0], old_high = cell[1];
        unsigned char equal = 0;
        __asm__ volatile("lock cmpxchg16b %0\n setz %1"
                         : "+m"(cell), "=q"(equal), "+a"(low), "+d"(high)
                         : "b"(i * 7), "c"(~i)
                         : "cc");
        wrong += equal != (i % 3 != 0);
        wrong += equal ? cell[0] != i * 7 || cell[1] != ~i : low != old_low || high != old_high;
    }
    printf("cmpxchg16b: wrong %d, %lx %lx\n", wrong, cell[0], cell[1]);
    static uint64_t eight = 5;
    uint32_t low = 5, high = 0;
    __asm__ volatile("lock cmpxchg8b %0" : "+m"(eight), "+a"(low), "+d"(high) : "b"(9), "c"(1) : "cc");
    printf("cmpxchg8b: %lx\n", eight);
}

static void change_mappings(void) {
    unsigned char* const base = map_pages(16, PROT_READ | PROT_WRITE);
    int wrong = 0;
    for (unsigned i = 0; i < 300; i++) {
        unsigned char* const at = base + (i * 5 % 16) * PAGE;
        munmap(at, PAGE);
        if (mmap(at, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at) wrong++;
        wrong += at[i] != 0;
        at[i] = (unsigned char)i;
        mprotect(at, PAGE, PROT_READ);
        wrong += at[i] != (unsigned char)i;
        mprotect(at, PAGE, PROT_READ | PROT_WRITE);
        at[0] = (unsigned char)~i;
        if (i % 7 == 0) madvise(at, PAGE, MADV_DONTNEED);
        wrong += at[0] != (unsigned char)(i % 7 ? ~i : 0);
    }
    unsigned char* const moved = mremap(base, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
    printf("mappings: wrong %d, sum %lx\n", wrong, checksum(moved, 32 * PAGE));
    munmap(moved, 32 * PAGE);
}

// Two mappings of one page of memory.
static void share_a_page(void) {
    const int file = memfd_create("shared", 0);
    if (file < 0 || ftruncate(file, (long)PAGE)) return;
    volatile unsigned char* const one = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    volatile unsigned char* const two = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    int wrong = 0;
    for (unsigned i = 0; i < 2000; i++) {
        one[i % PAGE] = (unsigned char)i;
        wrong += two[i % PAGE] != (unsigned char)i;
        two[(i + 7) % PAGE] = (unsigned char)(i + 1);
        wrong += one[(i + 7) % PAGE] != (unsigned char)(i + 1);
    }
    printf("shared page: wrong %d\n", wrong);
    munmap((void*)one, PAGE);
    munmap((void*)two, PAGE);
    close(file);
}

static void move_strings(void) {
    unsigned char* const memory = map_pages(8, PROT_READ | PROT_WRITE);
    for (unsigned long i = 0; i < 4 * PAGE; i++) memory[i] = (unsigned char)(i ^ i >> 8);
    unsigned long left = 0;
    __asm__ volatile("rep movsq" : "=c"(left) : "0"(2 * PAGE / 8), "S"(memory + 5), "D"(memory + 4 * PAGE + 3) : "memory");
    // Overlapping, forwards: the pattern repeats.
    __asm__ volatile("rep movsb" : "=c"(left) : "0"(2000), "S"(memory + 7 * PAGE - 900), "D"(memory + 7 * PAGE - 893) : "memory");
    unsigned long compared = 3 * PAGE;
    const unsigned char *a = memory + 5, *b = memory + 4 * PAGE + 3;
    __asm__ volatile("repe cmpsb" : "+c"(compared), "+S"(a), "+D"(b)::"memory", "cc");
    const unsigned char* found = memory;
    unsigned long scanned = 8 * PAGE;
    __asm__ volatile("repne scasb" : "+c"(scanned), "+D"(found) : "a"(0x5a) : "memory", "cc");
    printf("strings: left %lu, same %lu, found %lu, sum %lx\n", left, 3 * PAGE - compared,
           (unsigned long)(found - memory), checksum(memory, 8 * PAGE));
    munmap(memory, 8 * PAGE);
}

void test_memory(void) {
    cross_pages();
    exchange_16_bytes();
    change_mappings();
    share_a_page();
    move_strings();
}
