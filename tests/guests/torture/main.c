// SPDX-License-Identifier: MIT
#include "torture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

volatile struct fault last_fault;
volatile unsigned long resume_at;
void (*volatile on_fault)(void);

static const int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
#define SIGNALS (sizeof kSignals / sizeof kSignals[0])

static void handle(int signal, siginfo_t* info, void* context) {
    greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
    last_fault.signal = signal;
    last_fault.code = info->si_code;
    last_fault.count++;
    last_fault.trap = (unsigned long)registers[REG_TRAPNO];
    last_fault.error = (unsigned long)registers[REG_ERR];
    last_fault.address = (unsigned long)info->si_addr;
    last_fault.rip = (unsigned long)registers[REG_RIP];
    last_fault.rcx = (unsigned long)registers[REG_RCX];
    last_fault.rsi = (unsigned long)registers[REG_RSI];
    last_fault.rdi = (unsigned long)registers[REG_RDI];
    last_fault.rsp = (unsigned long)registers[REG_RSP];
    last_fault.cs = (unsigned long)registers[REG_CSGSFS] & 0xffff;
    last_fault.flags = (unsigned long)registers[REG_EFL];
    if (on_fault) on_fault();
    if (resume_at) registers[REG_RIP] = (greg_t)resume_at;
}

void catch_faults(void) {
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (unsigned i = 0; i < SIGNALS; i++) sigaction(kSignals[i], &action, NULL);
    memset((void*)&last_fault, 0, sizeof last_fault);
    resume_at = 0;
    on_fault = NULL;
}

void ignore_faults(void) {
    for (unsigned i = 0; i < SIGNALS; i++) signal(kSignals[i], SIG_DFL);
}

static void print_rip(unsigned long at) {
    const long distance = (long)(last_fault.rip - at);
    if (distance < (long)PAGE && distance > -(long)PAGE) {
        printf("rip%+ld", distance);
    } else {
        printf("rip elsewhere");
    }
}

static void print_address(unsigned long operand) {
    const unsigned long address = last_fault.address;
    if (address == 0) {
        printf("none");
    } else if (operand && address - operand + PAGE < 2 * PAGE) {
        printf("operand%+ld", (long)(address - operand));
    } else if (address == last_fault.rip) {
        printf("rip");
    } else {
        printf("elsewhere");
    }
}

void report(const char* name, void (*code)(void), const char* at, const char* end, unsigned long operand) {
    catch_faults();
    resume_at = (unsigned long)end;
    code();
    if (last_fault.count == 0) {
        printf("fault %-20s none\n", name);
    } else {
        printf("fault %-20s signal %d code %d trap %lu error %#lx ", name, last_fault.signal,
               last_fault.code, last_fault.trap, last_fault.error);
        print_rip((unsigned long)at);
        printf(" address ");
        print_address(operand);
        printf("\n");
    }
    ignore_faults();
}

void* map_pages(unsigned count, int protection) {
    void* const at = mmap(NULL, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("mmap");
        _exit(1);
    }
    return at;
}

unsigned long checksum(const void* bytes, unsigned long size) {
    unsigned long sum = 0xcbf29ce484222325;
    for (unsigned long i = 0; i < size; i++) sum = (sum ^ ((const unsigned char*)bytes)[i]) * 0x100000001b3;
    return sum;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("torture: begin\n");
    test_faults();
    test_pages();
    test_code();
    test_modes();
    test_stepping();
    test_signals();
    test_processes();
    test_memory();
    test_arithmetic();
    test_clocks();
    printf("torture: end\n");
    return 0;
}
