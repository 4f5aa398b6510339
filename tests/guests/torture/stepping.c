// SPDX-License-Identifier: MIT
// RFLAGS.TF in user space, and single-stepping by another process.
#include "torture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int steps;

static void count_step(int signal) {
    (void)signal;
    steps++;
}

__attribute__((used)) char step_buffer[64];

#define SET_TF "pushf\n orl $0x100, (%%rsp)\n popf\n"
#define CLEAR_TF "pushf\n andl $~0x100, (%%rsp)\n popf\n"
#define STEPS(name, code)                                                                                 \
    do {                                                                                                  \
        steps = 0;                                                                                        \
        __asm__ volatile(SET_TF code "\n" CLEAR_TF ::                                                     \
                             : "rax", "rbx", "rcx", "rdx", "rdi", "r8", "r9", "r10", "r11", "memory", "cc"); \
        printf("steps, %s: %d\n", name, steps);                                                           \
    } while (0)

static void step_ourselves(void) {
    struct sigaction action = {.sa_handler = count_step};
    sigaction(SIGTRAP, &action, NULL);
    STEPS("three nops", "nop\n nop\n nop");
    STEPS("jumps", "jmp 1f\n 1: jmp 2f\n 2: call 3f\n jmp 4f\n 3: ret\n 4:");
    STEPS("rep stosb of 5", "lea step_buffer(%%rip), %%rdi\n mov $5, %%ecx\n mov $1, %%al\n rep stosb");
    STEPS("rep stosb of 0", "lea step_buffer(%%rip), %%rdi\n xor %%ecx, %%ecx\n rep stosb");
    STEPS("repne scasb", "lea step_buffer(%%rip), %%rdi\n mov $64, %%ecx\n xor %%eax, %%eax\n repne scasb");
    STEPS("mov ss", "mov %%ss, %%eax\n mov %%eax, %%ss\n nop\n nop");
    STEPS("cpuid and rdtsc", "xor %%eax, %%eax\n cpuid\n rdtsc");
    STEPS("syscall", "mov $39, %%eax\n syscall\n nop");
    STEPS("int 0x80", "mov $20, %%eax\n int $0x80\n nop");
    STEPS("loop of 10", "mov $10, %%ecx\n 1: loop 1b");
    ignore_faults();
}

// Under TF the flags that PUSHF stores, and SYSCALL's R11, have TF.
static void read_flag(void) {
    struct sigaction action = {.sa_handler = count_step};
    sigaction(SIGTRAP, &action, NULL);
    unsigned long pushed = 0, saved = 0;
    __asm__ volatile(SET_TF "pushf\n pop %0\n mov $39, %%eax\n syscall\n mov %%r11, %1\n" CLEAR_TF
                     : "=&r"(pushed), "=&r"(saved)::"rax", "rcx", "r11", "memory", "cc");
    printf("tf: pushed %d, in r11 %d\n", (pushed & 0x100) != 0, (saved & 0x100) != 0);
    unsigned long after = 0;
    __asm__ volatile("pushf\n pop %0" : "=r"(after));
    printf("tf: after %d\n", (after & 0x100) != 0);
    ignore_faults();
}

extern const char stepped_begin[], stepped_end[];
static void stepped_code(void) {
    static char buffer[64];
    __asm__ volatile(
        "stepped_begin: nop\n"
        "mov $20, %%ecx\n 1: add %%ecx, %%eax\n dec %%ecx\n jnz 1b\n"
        "lea %0, %%rdi\n mov $7, %%ecx\n rep stosb\n"
        "mov $39, %%eax\n syscall\n cpuid\n pushf\n pop %%rax\n"
        "stepped_end: nop\n"
        : "=m"(buffer)::"rax", "rbx", "rcx", "rdx", "rdi", "r11", "memory", "cc");
}

static void step_a_child(void) {
    const pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        stepped_code();
        _exit(0);
    }
    int status = 0, counted = 0, total = 0;
    bool inside = false, done = false;
    unsigned long sum = 0;
    waitpid(child, &status, 0);
    while (!done && WIFSTOPPED(status) && total++ < 5000) {
        struct user_regs_struct registers;
        ptrace(PTRACE_GETREGS, child, 0, &registers);
        inside = inside || registers.rip == (unsigned long)stepped_begin;
        done = registers.rip == (unsigned long)stepped_end;
        if (inside) {
            counted++;
            sum = sum * 31 + (registers.rip - (unsigned long)stepped_begin);
        }
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        waitpid(child, &status, 0);
    }
    printf("steps of a child: %d, path %lx\n", counted, sum);
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    printf("child ended: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

void test_stepping(void) {
    step_ourselves();
    read_flag();
    step_a_child();
}
