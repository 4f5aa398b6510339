// SPDX-License-Identifier: MIT
// A user-space program that exercises what an engine gets wrong first. Each line that it prints is the same on
// every correct x86-64 processor under Linux: no addresses, times, process numbers or features.
#pragma once

#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>

void test_faults(void);
void test_pages(void);
void test_code(void);
void test_modes(void);
void test_stepping(void);
void test_signals(void);
void test_processes(void);
void test_memory(void);
void test_arithmetic(void);
void test_clocks(void);

// What the last signal was about. Positions are relative to the instruction that was to fault.
struct fault {
    int signal;
    int code;
    int count;
    unsigned long trap;
    unsigned long error;
    unsigned long address;
    unsigned long rip;
    unsigned long rcx, rsi, rdi, rsp, cs, flags;
};
extern volatile struct fault last_fault;

// The handler ends by going on here; 0: where the signal came.
extern volatile unsigned long resume_at;
// Called by the handler if set, before it returns.
extern void (*volatile on_fault)(void);

void catch_faults(void);
void ignore_faults(void);

// Calls code, which faults, and prints what the fault was. operand: the address that is expected, or 0.
void report(const char* name, void (*code)(void), const char* at, const char* end, unsigned long operand);

void* map_pages(unsigned count, int protection);
unsigned long checksum(const void* bytes, unsigned long size);

#define PAGE 4096ul

// An assembly function `name` whose instruction under test is at name_at, and which goes on at name_end.
#define SNIPPET(name, before, instruction)                                        \
    void name(void);                                                              \
    extern const char name##_at[], name##_end[];                                  \
    __asm__(".text\n" #name ":\n" before "\n" #name "_at:\n" instruction "\n" #name \
            "_end:\n ret\n")
#define REPORT(name, operand) report(#name, name, name##_at, name##_end, operand)
