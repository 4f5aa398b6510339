// SPDX-License-Identifier: MIT
// Why the engine stopped running the guest.
#pragma once

#include <cstdint>

#include "isa/addr.h"
#include "isa/x86/memory_operand.h"
#include "isa/x86/registers.h"
#include "sim/mmu/access.h"

namespace vtless::sim {

// Instructions that the engine stops *before*. Everything else it runs itself.
enum class Instruction : uint8_t {
    None,
    CPUID,
    HLT,
    RDTSC,
    RDTSCP,
    RDPMC,
    RDMSR,
    WRMSR,
    RDRAND,
    RDSEED,
    XSETBV,
    XGETBV_NONZERO,
    MOV_TO_CR,
    MOV_FROM_CR,
    CLTS,
    LMSW,
    SMSW,
    MOV_TO_DR,
    MOV_FROM_DR,
    IN,
    OUT,
    INS,
    OUTS,
    INT_N,
    INT3,
    INTO,
    INT1,
    SGDT,
    SIDT,
    LGDT,
    LIDT,
    SLDT,
    STR,
    LLDT,
    LTR,
    INVD,
    WBINVD,
    INVLPG,
    INVPCID,
    MONITOR,
    MWAIT,
    PAUSE,
    RSM,
    GETSEC,
    ENCLS,
    XSAVES,
    XRSTORS,
    RDPID,
    SYSCALL,
    SYSENTER,
    SYSEXIT,
    SYSRET,
    FAR_JMP_SYSTEM,
    FAR_CALL_SYSTEM,  // JMP, CALL far that may reach a TSS, task gate or call gate
    PUSHF,
    POPF,
    IRET,  // only while asked for (NMI blocking, hidden TF)
    X87_TRANSCENDENTAL,
    // Those that the engine carries out itself where Unicorn would not do: nobody sees a stop before them.
    PCMPESTRI,
    PCMPESTRM,
    PCMPISTRI,
    PCMPISTRM,
    PHADD_OF_ITSELF,  // and PHSUB, of one XMM register: `number` is the opcode
    CMPXCHG8B,        // and CMPXCHG16B
    CMPXCHG32,        // of 32-bit registers, in 64-bit mode
    LOCK_NEG,
    SHLD,  // and SHRD, by an immediate, of a RIP-relative operand
    SHRD,
    IDIV32,          // of a 32-bit operand
    UNTRANSLATABLE,  // undefined, but not for Unicorn: LOCK BTx, XCHG, XADD of a register, VEX before what
                     // has no such form
    VMCALL,
    VMCLEAR,
    VMLAUNCH,
    VMPTRLD,
    VMPTRST,
    VMREAD,
    VMRESUME,
    VMWRITE,
    VMXOFF,
    VMXON,
    INVEPT,
    INVVPID,
    VMFUNC,
    UNDEFINED,
};

struct StoppedInstruction {
    Instruction id = Instruction::None;
    uint8_t length = 0;        // bytes, prefixes included
    uint8_t operand_size = 0;  // bytes: 1, 2, 4, 8 (of data moved, for IN/OUT and string I/O)
    uint8_t number = 0;        // control or debug register, INT vector, control byte of PCMPxSTRx, or port
    bool has_immediate = false;
    bool rep = false;  // F3 or F2 on INS, OUTS
    bool has_memory = false;
    x86::Gpr gpr = x86::Gpr::RAX;   // register operand (ModRM.reg or ModRM.rm, the one that is not memory)
    x86::Gpr gpr2 = x86::Gpr::RAX;  // second register operand where both are registers
    bool undefined = false;         // #UD, although Unicorn runs it
    // Without has_memory its address size and segment count all the same: of string I/O and MONITOR.
    x86::MemoryOperand memory;
    // Far JMP and CALL with an immediate operand (ptr16:32).
    uint16_t far_selector = 0;
    uint32_t far_offset = 0;
};

struct Stop {
    enum class Kind : uint8_t {
        Exception,            // vector, error_code: raised by the guest's instruction at RIP, not delivered
        PageFault,            // fault: error code and exact address; not delivered, CR2 not written
        EptViolation,         // fault
        EptMisconfiguration,  // fault
        LogFull,              // fault: of page-modification logging
        ApicAccess,           // fault
        Instruction,          // instruction: about to run
        Deadline,             // cycles() has reached the deadline, at an exact instruction boundary
        BlockBoundary,        // asked for with stop_when_interruptible(): RFLAGS.IF = 1 and no shadow
        SingleStep,           // asked for with OneInstruction: one instruction, or one REP iteration, has run
        Requested,            // request_exit() from another thread
    };

    Kind kind = Kind::Requested;
    uint8_t vector = 0;
    bool has_error_code = false;
    uint32_t error_code = 0;
    StoppedInstruction instruction;  // for Instruction; decoded on demand for the others
    MmuFault fault;
    AccessType access = AccessType::Read;
    uint8_t access_size = 0;  // bytes, for EPT stops
};

inline Stop::Kind ept_stop(const MmuFault& fault) {
    if (fault.kind == MmuFault::Kind::PageModificationLogFull) return Stop::Kind::LogFull;
    if (fault.kind == MmuFault::Kind::ApicAccess) return Stop::Kind::ApicAccess;
    return fault.kind == MmuFault::Kind::EptViolation ? Stop::Kind::EptViolation
                                                      : Stop::Kind::EptMisconfiguration;
}

}  // namespace vtless::sim
