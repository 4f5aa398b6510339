// SPDX-License-Identifier: MIT
// Time goes forwards, and sleeping takes as long as asked for.
#include "torture.h"

#include <stdio.h>
#include <time.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static uint64_t cycles(void) {
    uint32_t low = 0, high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

void test_clocks(void) {
    int backwards = 0;
    long long last = now();
    uint64_t last_cycles = cycles();
    for (int i = 0; i < 2000; i++) {
        const long long time = now();
        const uint64_t count = cycles();
        backwards += time < last || count < last_cycles;
        last = time;
        last_cycles = count;
    }
    const struct timespec wanted = {0, 20000000};
    const long long before = now();
    nanosleep(&wanted, NULL);
    const long long slept = now() - before;
    printf("clocks: backwards %d, slept %s\n", backwards, slept >= 20000000 ? "long enough" : "too short");
}
