// SPDX-License-Identifier: MIT
// What KVM writes about a VMCS, in the formats of three kernels. Values are those of a 64-bit Linux host.
#pragma once

#include <string>

namespace vtless::explain {

// The guest state up to TR is the same in all.
inline const char* const kGuestRegisters =
    "*** Guest State ***\n"
    "CR0: actual=0x0000000080050033, shadow=0x0000000080050033, gh_mask=fffffffffffffff7\n"
    "CR4: actual=0x00000000000026a0, shadow=0x00000000000006a0, gh_mask=ffffffffffffe8f1\n"
    "CR3 = 0x0000000001a0a000\n"
    "RSP = 0xffff88003e4b3d80  RIP = 0xffffffff81051f56\n"
    "RFLAGS=0x00000046         DR7 = 0x0000000000000400\n"
    "Sysenter RSP=0000000000000000 CS:RIP=0010:ffffffff81637f10\n"
    "CS:   sel=0x0010, attr=0x0a09b, limit=0xffffffff, base=0x0000000000000000\n"
    "DS:   sel=0x0000, attr=0x1c001, limit=0xffffffff, base=0x0000000000000000\n"
    "SS:   sel=0x0018, attr=0x0c093, limit=0xffffffff, base=0x0000000000000000\n"
    "ES:   sel=0x0000, attr=0x1c001, limit=0xffffffff, base=0x0000000000000000\n"
    "FS:   sel=0x0000, attr=0x1c001, limit=0xffffffff, base=0x0000000000000000\n"
    "GS:   sel=0x0000, attr=0x1c001, limit=0xffffffff, base=0xffff88003fc00000\n"
    "GDTR:                           limit=0x0000007f, base=0xffff88003fc09000\n"
    "LDTR: sel=0x0000, attr=0x1c000, limit=0xffffffff, base=0x0000000000000000\n"
    "IDTR:                           limit=0x00000fff, base=0xffffffffff57a000\n"
    "TR:   sel=0x0040, attr=0x0008b, limit=0x00002087, base=0xffff88003fc11800\n";

inline const char* const kNonRegister =
    "DebugCtl = 0x0000000000000000  DebugExceptions = 0x0000000000000000\n"
    "Interruptibility = 00000000  ActivityState = 00000000\n";

inline const char* const kHost =
    "*** Host State ***\n"
    "RIP = 0xffffffffa0548f9c  RSP = 0xffff880426f17cd0\n"
    "CS=0010 SS=0018 DS=0000 ES=0000 FS=0000 GS=0000 TR=0040\n"
    "FSBase=00007f8a6c5f6700 GSBase=ffff88043fc80000 TRBase=ffff88043fc94280\n"
    "GDTBase=ffff88043fc89000 IDTBase=ffffffffff57b000\n"
    "CR0=0000000080050033 CR3=00000004274e2000 CR4=00000000000026e0\n"
    "Sysenter RSP=0000000000000000 CS:RIP=0010:ffffffff81638b40\n";

inline const char* const kControlTail =
    "ExceptionBitmap=00060042 PFECmask=00000000 PFECmatch=00000000\n"
    "VMEntry: intr_info=800000d1 errcode=00000000 ilen=00000000\n"
    "VMExit: intr_info=00000000 errcode=00000000 ilen=00000001\n"
    "        reason=80000021 qualification=0000000000000000\n"
    "IDTVectoring: info=00000000 errcode=00000000\n"
    "TSC Offset = 0xffffe2d1f1b4f3a0\n"
    "EPT pointer = 0x00000000266b501e\n"
    "Virtual processor ID = 0x0001\n";

// Kernels 4.1 to 5.7: EFER and PAT on one line.
inline std::string kvm_log_4_19() {
    return std::string(kGuestRegisters) + "EFER =     0x0000000000000d01  PAT = 0x0007040600070406\n" +
           kNonRegister + kHost + "EFER = 0x0000000000000d01  PAT = 0x0407010600070106\n" +
           "*** Control State ***\n"
           "PinBased=0000003f CPUBased=b5a06dfa SecondaryExec=000000aa\n"
           "EntryControls=0000d1ff ExitControls=002befff\n" +
           kControlTail;
}

// Up to 5.17: who loads EFER is said, and MSR lists are shown.
inline std::string kvm_log_5_15() {
    return "VMCS 00000000f971be22, last attempted VM-entry on CPU 3\n" + std::string(kGuestRegisters) +
           "EFER= 0x0000000000000d01 (autoload)\n"
           "PAT = 0x0007040600070406\n" +
           kNonRegister + "MSR guest autoload:\n   0: msr=0xc0000080 value=0x0000000000000d01\n" + kHost +
           "PAT = 0x0407050600070106\n"
           "MSR host autoload:\n   0: msr=0xc0000080 value=0x0000000000000d01\n"
           "*** Control State ***\n"
           "PinBased=0000003f CPUBased=b5a06dfa SecondaryExec=000000aa\n"
           "EntryControls=000053ff ExitControls=000befff\n" +
           kControlTail;
}

// Since 5.18: tertiary controls, and the controls in another order.
inline std::string kvm_log_6_16() {
    return "VMCS 00000000f971be22, last attempted VM-entry on CPU 3\n" + std::string(kGuestRegisters) +
           "EFER= 0x0000000000000d01\n"
           "PAT = 0x0007040600070406\n" +
           kNonRegister + kHost +
           "EFER= 0x0000000000000d01\n"
           "PAT = 0x0407050600070106\n"
           "*** Control State ***\n"
           "CPUBased=0xb5a06dfa SecondaryExec=0x000000aa TertiaryExec=0x0000000000000000\n"
           "PinBased=0x0000003f EntryControls=0000d3ff ExitControls=002befff\n" +
           kControlTail;
}

}  // namespace vtless::explain
