// SPDX-License-Identifier: MIT
// Signal delivery keeps every register; nesting; timer interrupts in the middle of a loop.
#include "torture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile int taken, depth, deepest;

static void clobber(int signal) {
    taken++;
    __asm__ volatile(
        "mov $-1, %%r8\n mov %%r8, %%r9\n mov %%r8, %%r12\n mov %%r8, %%r15\n"
        "pcmpeqb %%xmm0, %%xmm0\n pcmpeqb %%xmm7, %%xmm7\n pcmpeqb %%xmm15, %%xmm15\n fninit\n fldz\n fstp %%st(0)\n std\n cld"
        ::: "r8", "r9", "r12", "r15", "xmm0", "xmm7", "xmm15", "cc");
    depth++;
    if (depth > deepest) deepest = depth;
    if (signal == SIGUSR1) raise(SIGUSR2);
    depth--;
}

static void keep_registers(void) {
    struct sigaction action = {.sa_handler = clobber};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    unsigned long wrong = 0;
    for (long i = 0; i < 100; i++) {
        unsigned long out[4];
        double low = 0, high = 0;
        long double x87 = 0;
        __asm__ volatile(
            "fldpi\n mov %4, %%r8\n lea 1(%4), %%r9\n lea 2(%4), %%r12\n lea 3(%4), %%r15\n"
            "cvtsi2sd %4, %%xmm0\n movapd %%xmm0, %%xmm15\n"
            "mov $39, %%eax\n syscall\n mov %%rax, %%rdi\n mov $186, %%eax\n syscall\n"
            "mov %%rax, %%rsi\n mov $10, %%edx\n mov $234, %%eax\n syscall\n"  // tgkill(self, SIGUSR1)
            "mov %%r8, %0\n mov %%r9, 8+%0\n mov %%r12, 16+%0\n mov %%r15, 24+%0\n"
            "movsd %%xmm0, %1\n movsd %%xmm15, %2\n fstpt %3"
            : "=m"(out), "=m"(low), "=m"(high), "=m"(x87)
            : "r"(i)
            : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r11", "r12", "r15", "xmm0", "xmm15", "st",
              "memory", "cc");
        for (int k = 0; k < 4; k++) wrong += out[k] != (unsigned long)(i + k);
        wrong += low != (double)i || high != (double)i;
        wrong += x87 < 3.14159265358979L || x87 > 3.1415926535898L;
    }
    printf("signals: taken %d, deepest %d, registers wrong %lu\n", taken, deepest, wrong);
}

static volatile int ticks;
static void tick(int signal) {
    (void)signal;
    ticks++;
}

static void interrupt_a_loop(void) {
    struct sigaction action = {.sa_handler = tick};
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval timer = {{0, 4000}, {0, 4000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    unsigned long sum = 0, wrong = 0;
    while (ticks < 5) {
        const unsigned long before = sum;
        for (unsigned long i = 0; i < 1000; i++) sum += i;
        wrong += sum - before != 499500;
    }
    const struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
    printf("timer signals in a loop: at least %d, sums wrong %lu\n", ticks > 5 ? 5 : ticks, wrong);
}

void test_signals(void) {
    keep_registers();
    interrupt_a_loop();
}
