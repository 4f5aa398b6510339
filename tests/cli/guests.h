// SPDX-License-Identifier: MIT
// Small real-mode guests, as bytes.
#pragma once

#include <string>

namespace vtless::cli::guests {

using namespace std::string_literals;

// mov al, 0x2a; out 0xf4, al
inline const std::string kDebugExit = "\xb0\x2a\xe6\xf4"s;
// hlt
inline const std::string kHalt = "\xf4"s;
// sti; hlt
inline const std::string kWaitForever = "\xfb\xf4"s;
// mov al, 'h'; mov dx, 0x402; out dx, al; mov al, 'i'; out dx, al; mov dx, 0x3f8; mov al, 'S'; out dx, al;
// hlt
inline const std::string kPrint = "\xb0h\xba\x02\x04\xee\xb0i\xee\xba\xf8\x03\xb0S\xee\xf4"s;
// lidt [0x9000] (zeros: no vectors); int3
inline const std::string kTripleFault = "\x0f\x01\x1e\x00\x90\xcc"s;
// jmp 0xa000:0, where no memory is
inline const std::string kJumpNowhere = "\xea\x00\x00\x00\xa0"s;
// mov dx, 0x3f8; out dx, al; jmp $-1
inline const std::string kFloodSerial = "\xba\xf8\x03\xee\xeb\xfd"s;
// jmp $
inline const std::string kSpin = "\xeb\xfe"s;
// Counter 0 runs as a rate generator, every interrupt is masked: out 0x21, al; out 0xa1, al with ff;
// out 0x43, 34; out 0x40, 10 twice; sti; hlt
inline const std::string kMaskedTimer =
    "\xb0\xff\xe6\x21\xe6\xa1\xb0\x34\xe6\x43\xb0\x10\xe6\x40\xe6\x40\xfb\xf4"s;
// mov ax, 0xb800; mov ds, ax; mov ax, [0]; mov [2], ax; hlt
inline const std::string kVideoMemory = "\xb8\x00\xb8\x8e\xd8\xa1\x00\x00\xa3\x02\x00\xf4"s;
// mov ecx, 0x12345678; rdmsr: nobody knows it, so #GP through a vector table of zeros to zeros at 0:0
inline const std::string kUnknownMsr = "\x66\xb9\x78\x56\x34\x12\x0f\x32"s;
// Writes to the debug exit how many times 100000 cycles pass in a millisecond of the ACPI timer:
// PCI registers 40H and 80H of 00:01.3 say that it is there, at 0x600: mov dx, 0xcf8; mov eax, 0x80000b40;
// out dx, eax; mov dl, 0xfc; mov eax, 0x601; out dx, eax; mov dl, 0xf8; mov eax, 0x80000b80; out dx, eax;
// mov dl, 0xfc; mov al, 1; out dx, al;
// mov dx, 0x608; in eax, dx; mov ebx, eax; rdtsc; mov esi, eax;
// 1: mov dx, 0x608; in eax, dx; sub eax, ebx; cmp eax, 3590; jb 1b;
// rdtsc; sub eax, esi; xor edx, edx; mov ecx, 100000; div ecx; out 0xf4, al
inline const std::string kCyclesInAMillisecond =
    "\xba\xf8\x0c\x66\xb8\x40\x0b\x00\x80\x66\xef\xb2\xfc\x66\xb8\x01\x06\x00\x00\x66\xef"
    "\xb2\xf8\x66\xb8\x80\x0b\x00\x80\x66\xef\xb2\xfc\xb0\x01\xee"
    "\xba\x08\x06\x66\xed\x66\x89\xc3\x0f\x31\x66\x89\xc6"
    "\xba\x08\x06\x66\xed\x66\x29\xd8\x66\x3d\x06\x0e\x00\x00\x72\xf0"
    "\x0f\x31\x66\x29\xf0\x66\x31\xd2\x66\xb9\xa0\x86\x01\x00\x66\xf7\xf1\xe6\xf4"s;
// PIT counter 0 as a one-shot of 0x1000 ticks on IRQ 0 at vector 8, whose handler writes 7 to the debug exit:
// sets up the PICs and the vector, then sti; hlt; jmp $-1.
inline const std::string kTimer =
    "\x31\xc0\x8e\xd8"                                  // xor ax, ax; mov ds, ax
    "\xc7\x06\x20\x00\x40\x80\xc7\x06\x22\x00\x00\x00"  // mov word [0x20], 0x8040; mov word [0x22], 0
    "\xb0\x11\xe6\x20\xb0\x08\xe6\x21\xb0\x04\xe6\x21\xb0\x01\xe6\x21\xb0\xfe\xe6\x21"  // ICWs, mask
    "\xb0\x30\xe6\x43\xb0\x00\xe6\x40\xb0\x10\xe6\x40"  // mode 0, count 0x1000
    "\xfb\xf4\xeb\xfd"s                                 // sti; hlt; jmp to hlt
    "\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
    "\xb0\x07\xe6\xf4"s;  // at 0x8040: mov al, 7; out 0xf4, al
// Two of a local APIC in x2APIC mode, whose MSRs are written as: mov ecx, number; mov eax, value; wrmsr.
// A one-shot of its timer at vector 30H, whose handler writes 9 to the debug exit.
inline const std::string kApicTimer =
    "\x31\xc0\x8e\xd8"                                          // xor ax, ax; mov ds, ax
    "\xc7\x06\xc0\x00\x80\x80\xc7\x06\xc2\x00\x00\x00"          // mov word [0xc0], 0x8080; mov word [0xc2], 0
    "\x66\x31\xd2"                                              // xor edx, edx
    "\x66\xb9\x1b\x00\x00\x00\x66\xb8\x00\x0d\xe0\xfe\x0f\x30"  // IA32_APIC_BASE: x2APIC mode
    "\x66\xb9\x0f\x08\x00\x00\x66\xb8\xff\x01\x00\x00\x0f\x30"  // SVR: enabled
    "\x66\xb9\x32\x08\x00\x00\x66\xb8\x30\x00\x00\x00\x0f\x30"  // LVT timer: vector 30
    "\x66\xb9\x3e\x08\x00\x00\x66\xb8\x0b\x00\x00\x00\x0f\x30"  // divide by 1
    "\x66\xb9\x38\x08\x00\x00\x66\xb8\x40\x42\x0f\x00\x0f\x30"  // initial count
    "\xfb\xf4\xeb\xfd"s                                         // sti; hlt; jmp to hlt
    + std::string(35, '\x90') + "\xb0\x09\xe6\xf4"s;            // at 0x8080: mov al, 9; out 0xf4, al
// LVT0 is masked: the timer's interrupt, which the PIC asks for, never comes.
inline const std::string kTimerBehindLvt0 =
    "\x66\x31\xd2"                                              // xor edx, edx
    "\x66\xb9\x1b\x00\x00\x00\x66\xb8\x00\x0d\xe0\xfe\x0f\x30"  // IA32_APIC_BASE: x2APIC mode
    "\x66\xb9\x35\x08\x00\x00\x66\xb8\x00\x07\x01\x00\x0f\x30"  // LVT0: masked, ExtINT
    "\xb0\x11\xe6\x20\xb0\x08\xe6\x21\xb0\x04\xe6\x21\xb0\x01\xe6\x21\xb0\xfe\xe6\x21"  // ICWs, mask
    "\xb0\x30\xe6\x43\xb0\x00\xe6\x40\xb0\x10\xe6\x40"  // mode 0, count 0x1000
    "\xfb\xf4\xeb\xfd"s;                                // sti; hlt; jmp to hlt
// Changes a page-table entry that it has used, lets the machine run, and uses the page again without INVLPG:
// 32-bit paging of the first 64 KiB, whose page 15 becomes page 14.
inline const std::string kForgottenInvlpg =
    "\x31\xc0\x8e\xd8\x8e\xc0"                          // xor ax, ax; mov ds, ax; mov es, ax
    "\x66\xc7\x06\x00\x90\x03\xa0\x00\x00"              // mov dword [0x9000], 0xa003
    "\xbf\x00\xa0\x66\xb8\x03\x00\x00\x00\xb9\x10\x00"  // mov di, 0xa000; mov eax, 3; mov cx, 16
    "\x66\xab\x66\x05\x00\x10\x00\x00\xe2\xf6"          // stosd; add eax, 0x1000; loop to stosd
    "\x66\xb8\x00\x90\x00\x00\x0f\x22\xd8"              // mov eax, 0x9000; mov cr3, eax
    "\x66\xb8\x11\x00\x00\x80\x0f\x22\xc0"              // mov eax, 0x80000011; mov cr0, eax
    "\xa0\x00\xf0\x66\xc7\x06\x3c\xa0\x03\xe0\x00\x00"  // mov al, [0xf000]; mov dword [0xa03c], 0xe003
    "\xe6\x80\xa0\x00\xf0"                              // out 0x80, al; mov al, [0xf000]
    "\xb0\x2a\xe6\xf4"s;                                // mov al, 0x2a; out 0xf4, al

}  // namespace vtless::cli::guests
