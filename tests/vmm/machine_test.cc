// SPDX-License-Identifier: MIT
#include "vmm/machine.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <vector>

#include "tests/vmm/scripted_cpu.h"

namespace vtless::vmm {
namespace {

constexpr auto kByte = AccessWidth::Byte;

class MachineTest : public ::testing::Test {
  protected:
    Outcome run(const RunLimits& limits = {}) { return machine.run(limits); }
    void play(const VmExit& exit) { cpu.script.push_back(exit); }
    void out(uint16_t port, uint64_t value, AccessWidth width = kByte) {
        play(VmExit::IoWrite{port, width, value});
    }
    void end() { out(0xf4, 0); }
    // PIC at vector 0x20, everything masked but line 0; PIT counter 0 in mode 2.
    void start_timer(unsigned ticks) {
        for (auto [port, value] :
             {std::pair{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0xfe}, {0x43, 0x34}}) {
            board.ports().write(static_cast<uint16_t>(port), kByte, static_cast<uint32_t>(value));
        }
        board.ports().write(0x40, kByte, ticks & 0xff);
        board.ports().write(0x40, kByte, ticks >> 8);
    }

    Board board{BoardConfig{MemoryLayout(1 << 20), {}, {}}};
    GuestMemory memory;
    ScriptedCpu cpu;
    Machine<ScriptedCpu> machine{board, memory, cpu};
};

TEST_F(MachineTest, AnswersPortsAndCounts) {
    play(VmExit::IoRead{0x402, kByte});
    play(VmExit::IoRead{0x1234, AccessWidth::Word});
    end();
    const Outcome outcome = run();
    EXPECT_EQ(outcome.kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(cpu.completed, (std::vector<uint64_t>{0xe9, 0xffff}));
    const RunStatistics& statistics = machine.statistics();
    EXPECT_EQ(statistics.exits[static_cast<size_t>(ExitKind::IoRead)].count, 2u);
    EXPECT_EQ(statistics.exits[static_cast<size_t>(ExitKind::IoRead)].cycles, 200u);
    EXPECT_EQ(statistics.total_exits(), 3u);
    EXPECT_EQ(statistics.cycles, 300u);
    EXPECT_EQ(statistics.instructions, 30u);
}

TEST_F(MachineTest, UnmappedDeviceMemoryReadsOnes) {
    play(VmExit::MmioRead{Gpa(0xfee00020), AccessWidth::Dword, AccessWidth::Dword, false, 0});
    play(VmExit::MmioWrite{Gpa(0xfee00020), AccessWidth::Dword, 1});
    end();
    EXPECT_EQ(run().kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(cpu.completed, (std::vector<uint64_t>{0xffffffff}));
}

TEST_F(MachineTest, KnowsSomeMsrsAndFaultsOthers) {
    play(VmExit::SysRegRead{0x1b, 0});
    play(VmExit::SysRegWrite{0x2ff, 0x800});
    play(VmExit::SysRegRead{0x2ff, 0});
    play(VmExit::SysRegRead{0xc0011029, 0});
    play(VmExit::SysRegWrite{0x1b, 0});
    end();
    EXPECT_EQ(run().kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(cpu.completed, (std::vector<uint64_t>{0xfee00100, 0x800}));
    EXPECT_EQ(cpu.msr_faults, 2u) << "an unknown MSR, and a bit that cannot be written";
    EXPECT_EQ(machine.statistics().refused_msrs, (std::map<uint32_t, uint64_t>{{0xc0011029, 1}}));
}

TEST_F(MachineTest, EndsAsTheGuestAsks) {
    out(0xcf9, 0x06);
    const Outcome reset = run();
    EXPECT_EQ(reset.kind, Outcome::Kind::Reset);
    EXPECT_FALSE(reset.guest_failed());
    EXPECT_EQ(describe(reset), "the guest asked for a reset (port 0xcf9)");
}

TEST_F(MachineTest, EndsAtTheTextItWaitsFor) {
    board.debug_console().watch_for("hi");
    out(0x402, 'h');
    out(0x402, 'i');
    EXPECT_EQ(run().kind, Outcome::Kind::TextSeen);
}

TEST_F(MachineTest, HaltWithInterruptsOffIsTheEnd) {
    play(VmExit::Halt{});
    EXPECT_EQ(run().kind, Outcome::Kind::Halted);
}

TEST_F(MachineTest, HaltWithoutAnyTimerIsADeadlock) {
    cpu.registers.rflags = 0x202;
    play(VmExit::Halt{});
    const Outcome outcome = run();
    EXPECT_EQ(outcome.kind, Outcome::Kind::Deadlock);
    EXPECT_TRUE(outcome.guest_failed());
}

TEST_F(MachineTest, HaltWaitsForTheTimerInSimulatedTime) {
    cpu.registers.rflags = 0x202;
    start_timer(1193);
    play(VmExit::Halt{});
    end();
    EXPECT_EQ(run().kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(cpu.injected, (std::vector<unsigned>{0x20}));
    const uint64_t tick = Clock().cycle_of(1193, Pit::kHz);
    EXPECT_EQ(cpu.cycles(), tick + 100);
    EXPECT_EQ(machine.statistics().idle_cycles, tick - 100);
}

TEST_F(MachineTest, TimerExitsDriveDevices) {
    cpu.registers.rflags = 0x202;
    start_timer(100);
    const Outcome outcome = run({kNever, 1'000'000});
    EXPECT_EQ(outcome.kind, Outcome::Kind::MaxCycles);
    EXPECT_EQ(cpu.cycles(), 1'000'000u);
    EXPECT_EQ(cpu.injected.size(), 1u) << "no EOI, so only one is delivered";
}

TEST_F(MachineTest, AcknowledgesOnlyWhenTheGuestCanTakeIt) {
    start_timer(1);
    cpu.runs_until_interruptible = 5;
    for (int i = 0; i < 20; ++i) play(VmExit::IoRead{0x80, kByte});
    end();
    EXPECT_EQ(run().kind, Outcome::Kind::DebugExit);
    EXPECT_EQ(cpu.injected, (std::vector<unsigned>{0x20}));
    EXPECT_EQ(machine.statistics().exits[static_cast<size_t>(ExitKind::Nothing)].count, 1u);
}

TEST_F(MachineTest, LimitOfExits) {
    for (int i = 0; i < 10; ++i) play(VmExit::Nothing{});
    EXPECT_EQ(run({5, kNever}).kind, Outcome::Kind::MaxExits);
    EXPECT_EQ(machine.statistics().total_exits(), 5u);
}

TEST_F(MachineTest, NamesWhatTheGuestDidWrong) {
    play(VmExit::Unhandled{2, 0});
    EXPECT_EQ(run().kind, Outcome::Kind::TripleFault);
    play(VmExit::FailEntry{0x80000021});
    const Outcome entry = run();
    EXPECT_EQ(entry.kind, Outcome::Kind::EntryFailure);
    EXPECT_EQ(describe(entry), "VM entry failed: FailEntry,reason=0x80000021");
    play(VmExit::NestedPageFault{Gpa(0x123000), {true, false, false}});
    const Outcome nowhere = run();
    EXPECT_EQ(nowhere.kind, Outcome::Kind::GuestError);
    EXPECT_NE(describe(nowhere).find("addr=0x123000"), std::string::npos);
}

TEST_F(MachineTest, BackendErrorEndsTheRun) {
    const Outcome outcome = run();
    EXPECT_EQ(outcome.kind, Outcome::Kind::BackendError);
    EXPECT_TRUE(outcome.guest_failed());
}

// A run of three exits with one thing changed.
struct Digests {
    uint64_t digest;
    uint64_t time;
};

Digests digests(const std::function<void(ScriptedCpu&, std::vector<uint8_t>&)>& change) {
    Board board{BoardConfig{MemoryLayout(1 << 20), {}, {}}};
    std::vector<uint8_t> ram(4096);
    GuestMemory memory;
    EXPECT_TRUE(memory.add({Gpa(0), ram.size(), Hpa(), ram.data(), true}));
    ScriptedCpu cpu;
    cpu.script = {VmExit::IoRead{0x80, kByte}, VmExit::IoWrite{0x402, kByte, 'x'},
                  VmExit::IoWrite{0xf4, kByte, 0}};
    change(cpu, ram);
    Machine<ScriptedCpu> machine(board, memory, cpu);
    (void)machine.run({});
    return {machine.statistics().digest, machine.statistics().time_digest};
}

TEST(Digests, AreTheSameForTheSameRun) {
    const Digests a = digests([](auto&, auto&) {});
    const Digests b = digests([](auto&, auto&) {});
    EXPECT_EQ(a.digest, b.digest);
    EXPECT_EQ(a.time, b.time);
    EXPECT_NE(a.digest, a.time);
}

TEST(Digests, BothChangeWithAnyArchitecturalBit) {
    const Digests same = digests([](auto&, auto&) {});
    const std::vector<std::function<void(ScriptedCpu&, std::vector<uint8_t>&)>> changes = {
        [](ScriptedCpu& cpu, auto&) { cpu.registers.gprs[3] ^= 1; },
        [](ScriptedCpu& cpu, auto&) { cpu.registers.rip ^= 1; },
        [](ScriptedCpu& cpu, auto&) { cpu.registers.rflags ^= 1; },
        [](ScriptedCpu& cpu, auto&) { cpu.registers.cr4 ^= 1; },
        [](ScriptedCpu& cpu, auto&) {
            cpu.script[1] = VmExit::IoWrite{0x402, kByte, 'y'};
        },
        [](ScriptedCpu& cpu, auto&) {
            cpu.script[0] = VmExit::IoRead{0x81, kByte};
        },
        [](ScriptedCpu& cpu, auto&) { cpu.script.insert(cpu.script.begin(), VmExit::Nothing{}); },
        [](auto&, std::vector<uint8_t>& ram) { ram[4095] = 1; },
    };
    for (size_t i = 0; i < changes.size(); ++i) {
        const Digests changed = digests(changes[i]);
        EXPECT_NE(changed.digest, same.digest) << i;
        EXPECT_NE(changed.time, same.time) << i;
    }
}

TEST(Digests, TimeAloneChangesWithTime) {
    const Digests same = digests([](auto&, auto&) {});
    const Digests later = digests([](ScriptedCpu& cpu, auto&) { cpu.idle_until(1); });
    EXPECT_EQ(later.digest, same.digest);
    EXPECT_NE(later.time, same.time);
}

struct MaskingCpu : ScriptedCpu {
    static constexpr bool kHasApic = true;
    bool interruptible() const { return false; }
};

// With a local APIC that masks it, the interrupt that waits wakes nobody.
TEST_F(MachineTest, HaltBehindAMaskingApicIsADeadlock) {
    MaskingCpu masking;
    Machine<MaskingCpu> machine_with_apic{board, memory, masking};
    start_timer(100);
    masking.registers.rflags |= 0x200;
    masking.script = {VmExit::Halt{}, VmExit::IoWrite{0xf4, kByte, 0}};
    EXPECT_EQ(machine_with_apic.run({}).kind, Outcome::Kind::Deadlock);
}

}  // namespace
}  // namespace vtless::vmm
