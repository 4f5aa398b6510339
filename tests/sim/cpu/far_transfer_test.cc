// SPDX-License-Identifier: MIT
#include "sim/cpu/far_transfer.h"

#include <vector>

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;
using Kind = CpuResult::Kind;

StoppedInstruction to(uint16_t selector, uint32_t offset = 0x7000, uint8_t operand_size = 4) {
    StoppedInstruction result;
    result.length = 7;
    result.operand_size = operand_size;
    result.far_selector = selector;
    result.far_offset = offset;
    return result;
}

CpuResult jmp(Machine& machine, const StoppedInstruction& instruction) {
    return far_transfer(machine.cpu, machine.mmu, instruction, FarTransfer::Jmp);
}
CpuResult call(Machine& machine, const StoppedInstruction& instruction) {
    return far_transfer(machine.cpu, machine.mmu, instruction, FarTransfer::Call);
}

// A gate in the GDT at kFree.
void call_gate(Machine& machine, uint8_t access, uint16_t selector, uint64_t offset,
               unsigned parameters = 0) {
    machine.poke(Machine::kGdt + sel::kFree, Machine::gate_low(access, selector, offset, parameters));
    machine.poke<uint64_t>(Machine::kGdt + sel::kFree + 8, offset >> 32);
}

template <class T>
std::vector<uint64_t> stack_of(const Machine& machine, size_t words) {
    std::vector<uint64_t> result;
    for (size_t i = 0; i < words; ++i) result.push_back(machine.peek<T>(machine.rsp() + i * sizeof(T)));
    return result;
}

TEST(FarTransfer, JumpToCodeLoadsIt) {
    Machine machine(Mode::Protected16);
    ASSERT_TRUE(jmp(machine, to(sel::kCode32, 0x12'7000)).done());
    EXPECT_EQ(machine.cpu.rip(), 0x12'7000u);
    EXPECT_TRUE(machine.cpu.code32());
    Machine compatibility(Mode::Compatibility);
    ASSERT_TRUE(jmp(compatibility, to(sel::kCode64)).done());
    EXPECT_TRUE(compatibility.cpu.code64());
}

TEST(FarTransfer, ConformingCodeKeepsThePrivilege) {
    Machine machine(Mode::Protected32, 3);
    ASSERT_TRUE(jmp(machine, to(sel::kConforming32)).done());
    EXPECT_EQ(machine.cpu.cpl(), 3u);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), sel::kConforming32 | 3);
}

TEST(FarTransfer, CallPushesTheReturnAddress) {
    Machine machine(Mode::Protected32);
    ASSERT_TRUE(call(machine, to(sel::kCode32)).done());
    EXPECT_EQ(stack_of<uint32_t>(machine, 2), (std::vector<uint64_t>{Machine::kCode + 7, sel::kCode32}));
    Machine real(Mode::Real);
    ASSERT_TRUE(call(real, to(0x1000, 0x20, 2)).done());
    EXPECT_EQ(stack_of<uint16_t>(real, 2), (std::vector<uint64_t>{Machine::kCode + 7, 0}));
    EXPECT_EQ(real.cpu.linear_rip(), 0x10020u);
}

TEST(FarTransfer, PointerInMemoryIsReadWithItsOperandSize) {
    Machine machine(Mode::Long64);
    StoppedInstruction instruction;
    instruction.length = 3;
    instruction.operand_size = 8;
    instruction.memory.address_bytes = 8;
    instruction.has_memory = true;
    instruction.memory.displacement = 0x8000;
    machine.poke<uint64_t>(0x8000, 0x1'2345'6789);
    machine.poke<uint16_t>(0x8008, sel::kCode64);
    ASSERT_TRUE(call(machine, instruction).done());
    EXPECT_EQ(machine.cpu.rip(), 0x1'2345'6789u);
    EXPECT_EQ(stack_of<uint64_t>(machine, 2), (std::vector<uint64_t>{Machine::kCode + 3, sel::kCode64}));
    instruction.memory.displacement = Machine::kHole;
    EXPECT_EQ(jmp(machine, instruction).cr2, Machine::kHole);
}

TEST(FarTransfer, CallGateToInnerCodeSwitchesStacksAndCopiesParameters) {
    Machine machine(Mode::Protected32, 3);
    call_gate(machine, 0xec, sel::kCode32, 0x7123, 2);
    machine.poke<uint32_t>(Machine::kStack, 0x1111);
    machine.poke<uint32_t>(Machine::kStack + 4, 0x2222);
    ASSERT_TRUE(call(machine, to(sel::kFree | 3)).done());
    EXPECT_EQ(machine.cpu.rip(), 0x7123u);
    EXPECT_EQ(machine.cpu.cpl(), 0u);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), sel::kCode32);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::SS), sel::kData32);
    const std::vector<uint64_t> frame{Machine::kCode + 7, sel::kUserCode32, 0x1111, 0x2222,
                                      Machine::kStack,    sel::kUserData32};
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 24);
    EXPECT_EQ(stack_of<uint32_t>(machine, 6), frame);
}

TEST(FarTransfer, CallGateIn64BitModePushesQuadwords) {
    Machine machine(Mode::Long64, 3);
    call_gate(machine, 0xec, sel::kCode64, 0x1'0000'7123);
    ASSERT_TRUE(call(machine, to(sel::kFree | 3)).done());
    EXPECT_EQ(machine.cpu.rip(), 0x1'0000'7123u);
    const std::vector<uint64_t> frame{Machine::kCode + 7, sel::kUserCode64, Machine::kStack,
                                      sel::kUserData32};
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 32);
    EXPECT_EQ(stack_of<uint64_t>(machine, 4), frame);
    EXPECT_TRUE(machine.cpu.segment(SegmentRegister::SS).rights.unusable());
}

TEST(FarTransfer, TasksAreLeftToTheCallerOnceTheyAreValid) {
    Machine machine(Mode::Protected32);
    machine.descriptor(sel::kFree, Machine::kTss2, 0x67, 0x89);
    CpuResult result = jmp(machine, to(sel::kFree));
    EXPECT_EQ(result.kind, Kind::TaskSwitch);
    EXPECT_EQ(result.task, sel::kFree);
    machine.poke(Machine::kGdt + 0x80, Machine::gate_low(0x85, sel::kFree, 0));
    result = call(machine, to(0x80));
    EXPECT_EQ(result.kind, Kind::TaskSwitch);
    EXPECT_EQ(result.task, sel::kFree);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    machine.descriptor(sel::kFree, Machine::kTss2, 0x66, 0x89);
    EXPECT_EQ(call(machine, to(0x80)).event, Event::exception(Vector::TS, sel::kFree));
    EXPECT_EQ(jmp(machine, to(sel::kFree)).event, Event::exception(Vector::TS, sel::kFree));
}

TEST(FarTransfer, FaultsNameTheSelectorThatFailed) {
    struct Row {
        const char* what;
        Mode mode;
        unsigned cpl;
        void (*prepare)(Machine&);
        StoppedInstruction instruction;
        Event fault;
    };
    const auto gp = [](uint32_t code) { return Event::exception(Vector::GP, code); };
    const auto nothing = [](Machine&) {};
    const auto tss = [](Machine& m) { m.descriptor(sel::kFree, Machine::kTss2, 0x67, 0x89); };
    const Row rows[] = {
        {"null", Mode::Protected32, 0, nothing, to(3), gp(0)},
        {"limit", Mode::Protected32, 0, nothing, to(0x100), gp(0x100)},
        {"data", Mode::Protected32, 0, nothing, to(sel::kData32), gp(sel::kData32)},
        {"inner code", Mode::Protected32, 3, nothing, to(sel::kCode32), gp(sel::kCode32)},
        {"outer code", Mode::Protected32, 0, nothing, to(sel::kUserCode32), gp(sel::kUserCode32 & ~3)},
        {"RPL", Mode::Protected32, 0, nothing, to(sel::kCode32 | 3), gp(sel::kCode32)},
        {"offset", Mode::Protected32, 0, nothing, to(sel::kCode16, 0x10000), gp(0)},
        {"L and D", Mode::Long64, 0, [](Machine& m) { m.descriptor(sel::kFree, 0, 0xfffff, 0xe09b); },
         to(sel::kFree), gp(sel::kFree)},
        {"not present", Mode::Protected32, 0,
         [](Machine& m) { m.descriptor(sel::kFree, 0, 0xfffff, 0x401b); }, to(sel::kFree),
         Event::exception(Vector::NP, sel::kFree)},
        {"gate DPL", Mode::Protected32, 3, [](Machine& m) { call_gate(m, 0x8c, sel::kCode32, 0); },
         to(sel::kFree), gp(sel::kFree)},
        {"gate not present", Mode::Protected32, 3, [](Machine& m) { call_gate(m, 0x6c, sel::kCode32, 0); },
         to(sel::kFree), Event::exception(Vector::NP, sel::kFree)},
        {"gate to null", Mode::Protected32, 0, [](Machine& m) { call_gate(m, 0x8c, 0, 0); }, to(sel::kFree),
         gp(0)},
        {"gate to data", Mode::Protected32, 0, [](Machine& m) { call_gate(m, 0x8c, sel::kData32, 0); },
         to(sel::kFree), gp(sel::kData32)},
        {"jump inward", Mode::Protected32, 3, [](Machine& m) { call_gate(m, 0xec, sel::kCode32, 0); },
         to(sel::kFree), gp(sel::kCode32)},
        {"gate to 32-bit code", Mode::Long64, 0, [](Machine& m) { call_gate(m, 0x8c, sel::kCode32, 0); },
         to(sel::kFree), gp(sel::kCode32)},
        {"16-bit gate", Mode::Long64, 0, [](Machine& m) { call_gate(m, 0x84, sel::kCode64, 0); },
         to(sel::kFree), gp(sel::kFree)},
        {"TSS in IA-32e mode", Mode::Long64, 0, tss, to(sel::kFree), gp(sel::kFree)},
        {"TSS DPL", Mode::Protected32, 3, tss, to(sel::kFree), gp(sel::kFree)},
        {"busy TSS", Mode::Protected32, 0, nothing, to(sel::kTss), gp(sel::kTss)},
        {"TSS not present", Mode::Protected32, 0,
         [](Machine& m) { m.descriptor(sel::kFree, Machine::kTss2, 0x67, 0x09); }, to(sel::kFree),
         Event::exception(Vector::NP, sel::kFree)},
        {"LDT", Mode::Protected32, 0, [](Machine& m) { m.descriptor(sel::kFree, 0, 0xff, 0x82); },
         to(sel::kFree), gp(sel::kFree)},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(row.mode, row.cpl);
        row.prepare(machine);
        const CpuResult result = jmp(machine, row.instruction);
        EXPECT_EQ(result.kind, Kind::Fault);
        EXPECT_EQ(result.event, row.fault)
            << name(static_cast<Vector>(result.event.vector)) << " " << result.event.error_code;
        EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
    }
}

TEST(FarTransfer, CallThatCannotPushChangesNothing) {
    Machine machine(Mode::Long64);
    machine.cpu.set_gpr(Gpr::RSP, Machine::kHole + 0x100);
    const CpuResult result = call(machine, to(sel::kCode64, 0x7000, 8));
    EXPECT_EQ(result.event, Event::exception(Vector::PF, x86::page_fault::WR));
    EXPECT_EQ(machine.rsp(), Machine::kHole + 0x100);
    EXPECT_EQ(machine.cpu.rip(), Machine::kCode);
}

}  // namespace
}  // namespace vtless::sim::test
