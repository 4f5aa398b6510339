// SPDX-License-Identifier: MIT
// DR0 to DR3 and DR7. SDM Vol. 3B "Debug Registers" (18.2), "Debug Exception (#DB)" (18.3.1), Vol. 3C
// "Pending Debug Exceptions" (25.4.2), "Basic VM-Exit Information" (28.2.1), table 28-1.
#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::Gpr;
using x86::PrimaryControls;
using x86::Vector;
using x86::dr7::Condition;
using x86::pending_debug::ENABLED_BREAKPOINT;

class Breakpoints : public GuestFixture {
  protected:
    static constexpr uint64_t kData = 0x300000;
    static constexpr unsigned kDb = static_cast<unsigned>(Vector::DB);

    Breakpoints() { intercept(true); }

    void intercept(bool on) { write(F::EXCEPTION_BITMAP, on ? 1u << kDb : 0); }
    // Breakpoint n of so many bytes. Takes effect with the next entry.
    void enable(unsigned n, uint64_t address, Condition condition, unsigned bytes = 1) {
        const uint64_t length = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 8 ? 2 : 3;
        EXPECT_TRUE(hw->write_dr(n, address).ok());
        dr7_ |= bit(2 * n) | static_cast<uint64_t>(condition) << (16 + 4 * n) | length << (18 + 4 * n);
        write(F::GUEST_DR7, dr7_);
    }
    void disable_all() {
        dr7_ = x86::dr7::kReset;
        write(F::GUEST_DR7, dr7_);
    }
    void expect_debug_exit(uint64_t status, uint64_t rip) {
        ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
        EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), EventInfo::exception(Vector::DB).raw);
        EXPECT_EQ(read(F::EXIT_QUALIFICATION), status);
        EXPECT_EQ(read(F::GUEST_RIP), rip);
        EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), 0);
    }
    // Runs the bytes from kCode with RDI and RSI at kData; says whether a breakpoint came right after them.
    bool traps(std::initializer_list<uint8_t> instruction) {
        code(instruction);
        code({0x0f, 0xa2}, kCode + instruction.size());
        write(F::GUEST_RIP, kCode);
        write(F::GUEST_RSP, kData + 0x1000);
        gprs.set(Gpr::RDI, kData);
        gprs.set(Gpr::RSI, kData + 0x100);
        gprs.set(Gpr::RBX, kData);
        const Reason reason = run();
        EXPECT_EQ(read(F::GUEST_RIP), kCode + instruction.size());
        return reason == Reason::EXCEPTION_OR_NMI;
    }
    void primary_without(uint32_t bits) {
        write(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
              capability::kPrimary.adjust({{values.primary & ~bits}}).raw);
    }

  private:
    uint64_t dr7_ = x86::dr7::kReset;
};

// ---------------------------------------------------------------------------------------- instructions

TEST_F(Breakpoints, AnInstructionBreakpointFaultsBeforeTheInstructionWithRfSaved) {
    code({0x90, 0x90, 0x0f, 0xa2});
    enable(2, kCode + 1, Condition::EXECUTION);
    expect_debug_exit(x86::dr6::B2, kCode + 1);
    EXPECT_TRUE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0);
    // RF, which is loaded again, lets the instruction run.
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_FALSE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0);
}

TEST_F(Breakpoints, WithoutRfTheInstructionBreakpointComesAgain) {
    code({0x90, 0x0f, 0xa2});
    enable(0, kCode, Condition::EXECUTION);
    expect_debug_exit(x86::dr6::B0, kCode);
    write(F::GUEST_RFLAGS, 2);
    expect_debug_exit(x86::dr6::B0, kCode);
}

TEST_F(Breakpoints, OnlyTheFirstByteOfTheInstructionMatches) {
    code({0x48, 0x89, 0xc0, 0x0f, 0xa2});  // mov rax, rax
    enable(0, kCode + 1, Condition::EXECUTION);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(Breakpoints, TheGuestsHandlerSeesDr6AndReturnsPastTheBreakpointByRf) {
    intercept(false);
    code({0x90, 0x90, 0x0f, 0xa2});
    code({0x48, 0xff, 0xc3, 0x48, 0xcf}, kHandlers + 16);  // inc rbx; iretq
    gprs.set(Gpr::RBX, 0);
    enable(1, kCode + 1, Condition::EXECUTION);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(gprs.get(Gpr::RBX), 1);
    uint64_t dr6 = 0;
    EXPECT_TRUE(hw->read_dr(6, dr6).ok());
    EXPECT_EQ(dr6, x86::dr6::kReset | x86::dr6::B1);
    EXPECT_TRUE((get<uint64_t>(values.guest_rsp - 24) & x86::rflags::RF) != 0) << "RFLAGS as pushed";
}

TEST_F(Breakpoints, AFaultingInstructionBreakpointIsHeldOffByTheShadowOfMovSs) {
    code({0x8e, 0xd0, 0x90, 0x90, 0x0f, 0xa2});  // mov ss, eax; nop; nop
    gprs.set(Gpr::RAX, 0x10);
    enable(0, kCode + 2, Condition::EXECUTION);
    enable(1, kCode + 3, Condition::EXECUTION);
    expect_debug_exit(x86::dr6::B1, kCode + 3);
}

TEST_F(Breakpoints, ARepeatedInstructionBreaksOnce) {
    code({0xf3, 0xaa, 0x0f, 0xa2});
    gprs.set(Gpr::RCX, 3);
    gprs.set(Gpr::RDI, kData);
    enable(0, kCode, Condition::EXECUTION);
    expect_debug_exit(x86::dr6::B0, kCode);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(gprs.get(Gpr::RCX), 0);
}

TEST_F(Breakpoints, AnInterruptIsTakenBeforeAnInstructionBreakpoint) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({{0}}).raw);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    enable(0, kCode, Condition::EXECUTION);
    hw->raise_interrupt(0x50);
    EXPECT_EQ(run(), Reason::HLT);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode);
}

// ------------------------------------------------------------------------------------------------ data

TEST_F(Breakpoints, AStoreTrapsAfterTheInstruction) {
    enable(3, kData, Condition::DATA_WRITE, 8);
    code({0x48, 0x89, 0x07, 0x0f, 0xa2});  // mov [rdi], rax
    gprs.set(Gpr::RDI, kData);
    gprs.set(Gpr::RAX, 0x1234);
    expect_debug_exit(x86::dr6::B3, kCode + 3);
    EXPECT_EQ(get<uint64_t>(kData), 0x1234);
    EXPECT_FALSE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(Breakpoints, LoadsMatchReadWriteBreakpointsOnly) {
    enable(0, kData, Condition::DATA_WRITE, 4);
    EXPECT_FALSE(traps({0x8b, 0x07}));  // mov eax, [rdi]
    disable_all();
    enable(0, kData, Condition::DATA_READ_WRITE, 4);
    EXPECT_TRUE(traps({0x8b, 0x07}));
    EXPECT_TRUE(traps({0x89, 0x07}));
}

TEST_F(Breakpoints, OverlapIsByByteAndTheAddressIsAligned) {
    enable(0, kData + 6, Condition::DATA_WRITE, 4);  // bytes 4 to 7
    EXPECT_TRUE(traps({0xc6, 0x47, 0x04, 0x01}));    // mov byte [rdi + 4], 1
    EXPECT_TRUE(traps({0xc6, 0x47, 0x07, 0x01}));
    EXPECT_FALSE(traps({0xc6, 0x47, 0x03, 0x01}));
    EXPECT_FALSE(traps({0xc6, 0x47, 0x08, 0x01}));
    EXPECT_TRUE(traps({0x48, 0x89, 0x47, 0x01}));   // mov [rdi + 1], rax: 1 to 8
    EXPECT_FALSE(traps({0x89, 0x07}));              // 0 to 3
    EXPECT_FALSE(traps({0x48, 0x89, 0x47, 0x08}));  // 8 to 15
}

TEST_F(Breakpoints, AccessesOfEveryKindMatch) {
    enable(0, kData, Condition::DATA_READ_WRITE, 8);
    EXPECT_TRUE(traps({0xff, 0x07})) << "inc dword [rdi]";
    EXPECT_TRUE(traps({0xf0, 0x48, 0x0f, 0xc1, 0x07})) << "lock xadd [rdi], rax";
    EXPECT_TRUE(traps({0xa4})) << "movsb";
    EXPECT_TRUE(traps({0x0f, 0x11, 0x07})) << "movups [rdi], xmm0";
    EXPECT_TRUE(traps({0x0f, 0xae, 0x07})) << "fxsave [rdi]";
    EXPECT_TRUE(traps({0x48, 0x0f, 0xc7, 0x0f})) << "cmpxchg16b [rdi]";
    EXPECT_TRUE(traps({0x0f, 0x01, 0x07})) << "sgdt [rdi]";
    EXPECT_FALSE(traps({0x48, 0x8d, 0x07})) << "lea rax, [rdi]";
    EXPECT_FALSE(traps({0x0f, 0x11, 0x47, 0x08})) << "movups [rdi + 8], xmm0";
}

TEST_F(Breakpoints, TheStackIsDataAsWell) {
    enable(0, kData + 0xff8, Condition::DATA_WRITE, 8);
    EXPECT_TRUE(traps({0x50})) << "push rax";
    EXPECT_TRUE(traps({0x9c})) << "pushfq";
    EXPECT_FALSE(traps({0x58})) << "pop rax";
}

TEST_F(Breakpoints, AccessesAcrossPagesMatchWhereTheyGo) {
    constexpr uint64_t kEdge = kData + 0x1000;
    enable(0, kEdge, Condition::DATA_READ_WRITE, 1);
    EXPECT_TRUE(traps({0x48, 0x89, 0x87, 0xfc, 0x0f, 0, 0})) << "mov [rdi + 0xffc], rax";
    EXPECT_TRUE(traps({0x48, 0x8b, 0x87, 0xfc, 0x0f, 0, 0})) << "mov rax, [rdi + 0xffc]";
    disable_all();
    enable(0, kEdge + 4, Condition::DATA_READ_WRITE, 1);
    enable(1, kEdge - 5, Condition::DATA_READ_WRITE, 1);
    EXPECT_FALSE(traps({0x48, 0x89, 0x87, 0xfc, 0x0f, 0, 0}));
    EXPECT_FALSE(traps({0x48, 0x8b, 0x87, 0xfc, 0x0f, 0, 0}));
}

TEST_F(Breakpoints, TheAddressIsTheLinearOne) {
    constexpr uint64_t kAlias = 0x10000000;
    put<uint64_t>(0x12000 + (kAlias >> 21) * 8, (kData & ~uint64_t{0x1fffff}) | 0x87);
    enable(0, kAlias + (kData & 0x1fffff), Condition::DATA_WRITE, 8);
    EXPECT_FALSE(traps({0x48, 0x89, 0x07}));
    disable_all();
    enable(0, kData, Condition::DATA_WRITE, 8);
    EXPECT_TRUE(traps({0x48, 0x89, 0x07}));
}

TEST_F(Breakpoints, AFaultingAccessDoesNotMatch) {
    constexpr uint64_t kNowhere = 0x18000000;
    put<uint64_t>(0x12000 + (kNowhere >> 21) * 8, 0);
    write(F::EXCEPTION_BITMAP, 1u << kDb | 1u << 14);
    enable(0, kData, Condition::DATA_READ_WRITE, 8);
    code({0xa4});  // movsb: the load is watched, the store faults
    gprs.set(Gpr::RSI, kData);
    gprs.set(Gpr::RDI, kNowhere);
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION) & 0xff, 14);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), 0);
}

TEST_F(Breakpoints, ARepeatedStoreTrapsAfterTheIterationThatMatches) {
    code({0xf3, 0xaa, 0x0f, 0xa2});
    gprs.set(Gpr::RCX, 8);
    gprs.set(Gpr::RDI, kData);
    enable(0, kData + 3, Condition::DATA_WRITE);
    expect_debug_exit(x86::dr6::B0, kCode);
    EXPECT_EQ(gprs.get(Gpr::RCX), 4);
    EXPECT_TRUE((read(F::GUEST_RFLAGS) & x86::rflags::RF) != 0);
    EXPECT_EQ(run(), Reason::CPUID);
}

TEST_F(Breakpoints, ALoadOfSsDefersItsTrapBeyondTheNextInstruction) {
    put<uint16_t>(kData, 0x10);
    enable(0, kData, Condition::DATA_READ_WRITE, 2);
    code({0x8e, 0x17, 0x90, 0x90, 0x0f, 0xa2});  // mov ss, [rdi]
    gprs.set(Gpr::RDI, kData);
    expect_debug_exit(x86::dr6::B0, kCode + 3);
}

TEST_F(Breakpoints, AnExitInTheShadowSavesWhatIsPendingAndEntryTakesItBack) {
    put<uint16_t>(kData, 0x10);
    enable(0, kData, Condition::DATA_READ_WRITE, 2);
    code({0x8e, 0x17, 0x0f, 0xa2, 0x90});  // mov ss, [rdi]; cpuid
    gprs.set(Gpr::RDI, kData);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::B0 | ENABLED_BREAKPOINT);
    write(F::GUEST_INTERRUPTIBILITY_STATE, 0);
    write(F::GUEST_RIP, kCode + 4);
    expect_debug_exit(x86::dr6::B0, kCode + 4);
}

TEST_F(Breakpoints, StepAndBreakpointComeInOneException) {
    write(F::GUEST_RFLAGS, 2 | x86::rflags::TF);
    enable(0, kData, Condition::DATA_WRITE, 8);
    enable(1, kData, Condition::DATA_READ_WRITE, 8);
    code({0x48, 0x89, 0x07, 0x0f, 0xa2});
    gprs.set(Gpr::RDI, kData);
    expect_debug_exit(x86::dr6::B0 | x86::dr6::B1 | x86::dr6::BS, kCode + 3);
}

TEST_F(Breakpoints, AMonitorTrapComesFirstAndSavesTheBreakpoint) {
    set_primary(PrimaryControls::MONITOR_TRAP_FLAG);
    enable(0, kData, Condition::DATA_WRITE, 8);
    code({0x48, 0x89, 0x07, 0x0f, 0xa2});
    gprs.set(Gpr::RDI, kData);
    ASSERT_EQ(run(), Reason::MONITOR_TRAP_FLAG);
    EXPECT_EQ(read(F::GUEST_PENDING_DEBUG_EXCEPTIONS), x86::pending_debug::B0 | ENABLED_BREAKPOINT);
    expect_debug_exit(x86::dr6::B0, kCode + 3);
}

// ------------------------------------------------------------------------------------- ports, controls

TEST_F(Breakpoints, PortsBreakWithCr4De) {
    primary_without(PrimaryControls::UNCONDITIONAL_IO_EXITING);
    enable(0, 0x70, Condition::IO, 2);
    EXPECT_FALSE(traps({0xe4, 0x71})) << "without DE";
    write(F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::DE);
    EXPECT_TRUE(traps({0xe4, 0x71})) << "in al, 0x71";
    EXPECT_TRUE(traps({0xe7, 0x6e})) << "out 0x6e, eax";
    EXPECT_FALSE(traps({0xe4, 0x72})) << "in al, 0x72";
}

TEST_F(Breakpoints, ADisabledBreakpointDoesNotMatch) {
    EXPECT_TRUE(hw->write_dr(0, kData).ok());
    write(F::GUEST_DR7, x86::dr7::kReset | 0xf0000);
    EXPECT_FALSE(traps({0x48, 0x89, 0x07}));
}

TEST_F(Breakpoints, WithoutLoadingDebugControlsDr7IsAsTheExitLeftIt) {
    enable(0, kData, Condition::DATA_WRITE, 8);
    write(F::VM_ENTRY_CONTROLS,
          read(F::VM_ENTRY_CONTROLS) & ~uint64_t{x86::EntryControls::LOAD_DEBUG_CONTROLS});
    EXPECT_FALSE(traps({0x48, 0x89, 0x07}));
}

TEST_F(Breakpoints, TheGuestTurnsThemOnAndOffByItself) {
    // mov rax, kData; mov dr0, rax; mov eax, 0x10401; mov dr7, rax; mov [rdi], eax; cpuid
    code({0x48, 0xc7, 0xc0, 0, 0,    0x30, 0,    0x0f, 0x23, 0xc0, 0xb8,
          0x01, 0x04, 0x01, 0, 0x0f, 0x23, 0xf8, 0x89, 0x07, 0x0f, 0xa2});
    gprs.set(Gpr::RDI, kData);
    expect_debug_exit(x86::dr6::B0, kCode + 20);
    EXPECT_EQ(read(F::GUEST_DR7), 0x10401);
    disable_all();
    EXPECT_EQ(run(), Reason::CPUID);
}

}  // namespace
}  // namespace vtless::sim
