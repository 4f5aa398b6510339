// SPDX-License-Identifier: MIT
// fork with copy on write, pipes between processes, exec, floating-point state across switches.
#include "torture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kPages = 64 };

static int end_of(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void copy_on_write(void) {
    unsigned char* const memory = map_pages(kPages, PROT_READ | PROT_WRITE);
    for (unsigned long i = 0; i < kPages * PAGE; i++) memory[i] = (unsigned char)(i * 31 >> 4);
    const unsigned long before = checksum(memory, kPages * PAGE);
    int wrong = 0;
    for (int round = 0; round < 8; round++) {
        const pid_t child = fork();
        if (child == 0) {
            for (int page = round % 2; page < kPages; page += 2) memory[(unsigned)page * PAGE] ^= 0xff;
            const unsigned long mine = checksum(memory, kPages * PAGE);
            for (int page = round % 2; page < kPages; page += 2) memory[(unsigned)page * PAGE] ^= 0xff;
            _exit(mine == before || checksum(memory, kPages * PAGE) != before);
        }
        wrong += end_of(child) != 0;
        wrong += checksum(memory, kPages * PAGE) != before;
    }
    printf("copy on write: wrong %d, sum %lx\n", wrong, before);
    munmap(memory, kPages * PAGE);
}

// Two processes hand a number back and forth, each with its own floating-point values in registers.
static void ping_pong(void) {
    int there[2], back[2];
    if (pipe(there) || pipe(back)) return;
    const pid_t child = fork();
    double total = child ? 1.0 : 2.0;
    register double kept __asm__("xmm9") = child ? 0.5 : 0.25;
    __asm__ volatile("" : "+x"(kept));
    long value = 0;
    for (int i = 0; i < 200; i++) {
        if (child) {
            if (write(there[1], &value, sizeof value) < 0 || read(back[0], &value, sizeof value) < 0) break;
        } else {
            if (read(there[0], &value, sizeof value) < 0) break;
            value += 3;
            if (write(back[1], &value, sizeof value) < 0) break;
        }
        __asm__ volatile("" : "+x"(kept));
        total = total * 1.01 + kept;
    }
    if (child == 0) _exit((int)total % 100);
    printf("ping pong: value %ld, total %.12g, the other's %d\n", value, total, end_of(child));
}

static void die_in_ways(void) {
    static const int kSignals[] = {SIGKILL, SIGSEGV, SIGABRT};
    for (unsigned i = 0; i < 3; i++) {
        const pid_t child = fork();
        if (child == 0) {
            if (i == 1) __asm__ volatile("movl $0, 0");
            raise(kSignals[i]);
            _exit(0);
        }
        printf("a child ends by %d\n", -end_of(child));
    }
}

static int recurse(int depth) {
    volatile char frame[2048];
    frame[depth % 2048] = (char)depth;
    return depth == 0 ? 0 : recurse(depth - 1) + (frame[depth % 2048] == (char)depth);
}

void test_processes(void) {
    copy_on_write();
    ping_pong();
    die_in_ways();
    printf("stack growth: %d\n", recurse(2000));
}
