// SPDX-License-Identifier: MIT
// SDM Vol. 3A "Interrupt and Exception Handling" (6).
#include "sim/cpu/event_delivery.h"

#include <vector>

#include "tests/sim/cpu/machine.h"

namespace vtless::sim::test {
namespace {

namespace rf = x86::rflags;
using Kind = DeliveryResult::Kind;
using x86::EventType;
using x86::Gpr;
using x86::SegmentRegister;
using x86::Vector;

constexpr uint8_t kInterruptGate32 = 0x8e, kTrapGate32 = 0x8f, kInterruptGate16 = 0x86, kTaskGate = 0x85;
constexpr uint8_t kGateDpl3 = 0x60;
constexpr uint64_t kHandler = 0x7000;
constexpr uint8_t kIrq = 0x20;

std::vector<std::byte> image_of(const Machine& machine) {
    return {machine.cpu.image(), machine.cpu.image() + CpuState::kImageSize};
}

// Delivery fails with this fault, and the processor's state is untouched.
void expect_fault(Machine& machine, const Event& event, const Event& fault) {
    const auto before = image_of(machine);
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, event);
    EXPECT_EQ(result.kind, Kind::Fault);
    EXPECT_EQ(result.nested, fault) << name(static_cast<Vector>(result.nested.vector)) << " "
                                    << result.nested.error_code;
    EXPECT_EQ(image_of(machine), before);
}

template <class T>
std::vector<uint64_t> stack_of(const Machine& machine, size_t words, uint64_t base = 0) {
    std::vector<uint64_t> result;
    for (size_t i = 0; i < words; ++i)
        result.push_back(machine.peek<T>(base + machine.rsp() + i * sizeof(T)));
    return result;
}

TEST(EventDelivery64, SamePrivilegePushesFiveQuadwordsOntoTheAlignedStack) {
    Machine machine(Mode::Long64);
    machine.gate(kIrq, kInterruptGate32, sel::kCode64, 0x1'0000'7000);
    machine.cpu.set_gpr(Gpr::RSP, Machine::kStack + 7);
    machine.cpu.set_rflags(0x246);
    machine.cpu.set_interrupt_shadow(true);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.cpu.rip(), 0x1'0000'7000u);
    EXPECT_EQ(machine.rsp(), Machine::kStack - 40);
    const std::vector<uint64_t> frame{Machine::kCode, sel::kCode64, 0x246, Machine::kStack + 7, sel::kData32};
    EXPECT_EQ(stack_of<uint64_t>(machine, 5), frame);
    EXPECT_EQ(machine.cpu.rflags(), 0x46u) << "an interrupt gate clears IF";
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::SS), sel::kData32);
    EXPECT_FALSE(machine.cpu.interrupt_shadow());
    EXPECT_EQ(machine.cpu.cpl(), 0u);
}

TEST(EventDelivery64, InnerPrivilegeTakesTheStackOfTheTssAndANullStackSegment) {
    Machine machine(Mode::Long64, 3);
    machine.gate(14, kTrapGate32, sel::kCode64, kHandler);
    machine.cpu.set_rflags(0x202);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::PF, 6)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 48);
    const std::vector<uint64_t> frame{
        6, Machine::kCode, sel::kUserCode64, 0x202 | rf::RF, Machine::kStack, sel::kUserData32};
    EXPECT_EQ(stack_of<uint64_t>(machine, 6), frame);
    EXPECT_EQ(machine.cpu.rflags(), 0x202u) << "a trap gate keeps IF; RF is in the frame only";
    const x86::Segment ss = machine.cpu.segment(SegmentRegister::SS);
    EXPECT_EQ(ss.selector, 0);
    EXPECT_TRUE(ss.rights.unusable());
    EXPECT_EQ(ss.rights.dpl(), 0u);
    EXPECT_EQ(machine.cpu.cpl(), 0u);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), sel::kCode64);
    EXPECT_TRUE(machine.cpu.code64());
}

TEST(EventDelivery64, InterruptStackTableIsUsedEvenWithoutAPrivilegeChange) {
    Machine machine(Mode::Long64);
    machine.gate(8, kInterruptGate32, sel::kCode64, kHandler, 1);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::DF, 0)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), Machine::kIst1 - 48);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::SS), sel::kData32) << "unchanged without a change of CPL";
    EXPECT_EQ(stack_of<uint64_t>(machine, 4)[3] & rf::RF, 0u) << "an abort does not set RF";
}

TEST(EventDelivery64, ConformingHandlerKeepsThePrivilege) {
    Machine machine(Mode::Long64, 3);
    machine.gate(kIrq, kInterruptGate32, sel::kConforming64, kHandler);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.cpu.cpl(), 3u);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), sel::kConforming64 | 3);
    EXPECT_EQ(machine.rsp(), Machine::kStack - 40);
}

TEST(EventDelivery64, CompatibilityModeCodeIsInterruptedInto64BitMode) {
    Machine machine(Mode::Compatibility, 3);
    machine.gate(kIrq, kInterruptGate32, sel::kCode64, kHandler);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_TRUE(machine.cpu.code64());
    EXPECT_EQ(stack_of<uint64_t>(machine, 2)[1], sel::kUserCode32);
}

TEST(EventDelivery64, SoftwareInterruptSavesTheNextInstruction) {
    Machine machine(Mode::Long64, 3);
    machine.gate(0x80, kInterruptGate32 | kGateDpl3, sel::kCode64, kHandler);
    const Event event = Event::software(EventType::SOFTWARE_INTERRUPT, 0x80, 2);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, event).kind, Kind::Delivered);
    EXPECT_EQ(stack_of<uint64_t>(machine, 1)[0], Machine::kCode + 2);
    EXPECT_EQ(stack_of<uint64_t>(machine, 3)[2] & rf::RF, 0u);
}

TEST(EventDelivery64, AccessedBitOfTheCodeSegmentIsSet) {
    Machine machine(Mode::Long64, 3);
    machine.descriptor(sel::kCode64, 0, 0xffffffff,
                       (rights::kCode & ~rights::kNotAccessed) | rights::kFlat64);
    machine.gate(kIrq, kInterruptGate32, sel::kCode64, kHandler);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.descriptor_access(sel::kCode64), rights::kCode);
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::CS).rights.type(), 11u);
}

TEST(EventDelivery64, FaultsOfTheGateAndItsSegmentHaveTheirErrorCodes) {
    constexpr uint32_t kGateError = kIrq * 8 + 2 + 1;  // IDT and EXT
    struct Row {
        const char* what;
        void (*prepare)(Machine&);
        Vector vector;
        uint32_t error;
    };
    const Row rows[] = {
        {"IDT limit",
         [](Machine& m) {
             m.cpu.set_idtr({Machine::kIdt, kIrq * 16 + 14});
         },
         Vector::GP, kGateError},
        {"no gate", [](Machine& m) { m.gate(kIrq, 0x80, sel::kCode64, 0); }, Vector::GP, kGateError},
        {"16-bit gate", [](Machine& m) { m.gate(kIrq, kInterruptGate16, sel::kCode64, 0); }, Vector::GP,
         kGateError},
        {"task gate", [](Machine& m) { m.gate(kIrq, kTaskGate, sel::kTss, 0); }, Vector::GP, kGateError},
        {"not present", [](Machine& m) { m.gate(kIrq, 0x0e, sel::kCode64, 0); }, Vector::NP, kGateError},
        {"null", [](Machine& m) { m.gate(kIrq, kInterruptGate32, 3, 0); }, Vector::GP, 1},
        {"GDT limit", [](Machine& m) { m.gate(kIrq, kInterruptGate32, 0x100, 0); }, Vector::GP, 0x101},
        {"no LDT", [](Machine& m) { m.gate(kIrq, kInterruptGate32, 0x0c, 0); }, Vector::GP, 0x0d},
        {"data", [](Machine& m) { m.gate(kIrq, kInterruptGate32, sel::kData32, 0); }, Vector::GP,
         sel::kData32 | 1},
        {"code32", [](Machine& m) { m.gate(kIrq, kInterruptGate32, sel::kCode32, 0); }, Vector::GP,
         sel::kCode32 | 1},
        {"outer code",
         [](Machine& m) {
             m.cpu.set_cpl(0);
             m.gate(kIrq, kInterruptGate32, sel::kUserCode64, 0);
         },
         Vector::GP, (sel::kUserCode64 & ~3) | 1},
        {"code not present",
         [](Machine& m) {
             m.descriptor(sel::kFree, 0, 0xffffffff, (rights::kCode & ~rights::kPresent) | rights::kFlat64);
             m.gate(kIrq, kInterruptGate32, sel::kFree, 0);
         },
         Vector::NP, sel::kFree | 1},
        {"RIP", [](Machine& m) { m.gate(kIrq, kInterruptGate32, sel::kCode64, uint64_t{1} << 47); },
         Vector::GP, 1},
        {"TSS limit",
         [](Machine& m) {
             m.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 10, {0x8b}});
         },
         Vector::TS, sel::kTss | 1},
        {"TSS stack", [](Machine& m) { m.poke<uint64_t>(Machine::kTss + 4, uint64_t{1} << 47); }, Vector::SS,
         1},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(Mode::Long64, 3);
        machine.gate(kIrq, kInterruptGate32, sel::kCode64, kHandler);
        row.prepare(machine);
        expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(row.vector, row.error));
    }
}

TEST(EventDelivery64, SoftwareInterruptThroughAPrivilegedGateIsRefusedWithoutExt) {
    Machine machine(Mode::Long64, 3);
    machine.gate(0x80, kInterruptGate32, sel::kCode64, kHandler);
    machine.gate(3, kInterruptGate32, sel::kCode64, kHandler);
    machine.gate(1, kInterruptGate32, sel::kCode64, kHandler);
    expect_fault(machine, Event::software(EventType::SOFTWARE_INTERRUPT, 0x80, 2),
                 Event::exception(Vector::GP, 0x80 * 8 + 2));
    expect_fault(machine, Event::software(EventType::SOFTWARE_EXCEPTION, 3, 1),
                 Event::exception(Vector::GP, 3 * 8 + 2));
    const Event int1 = Event::software(EventType::PRIVILEGED_SOFTWARE_EXCEPTION, 1, 1);
    EXPECT_EQ(deliver_event(machine.cpu, machine.mmu, int1).kind, Kind::Delivered) << "INT1 ignores the DPL";
}

TEST(EventDelivery64, PageFaultOfTheStackIsNestedWithItsAddress) {
    Machine machine(Mode::Long64, 3);
    machine.gate(kIrq, kInterruptGate32, sel::kCode64, kHandler);
    machine.poke<uint64_t>(Machine::kTss + 4, Machine::kHole + 0x100);
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq));
    EXPECT_EQ(result.kind, Kind::Fault);
    EXPECT_EQ(result.nested, Event::exception(Vector::PF, x86::page_fault::WR));
    EXPECT_EQ(result.cr2, Machine::kHole + 0x100 - 8);  // the first push, not the lowest
    EXPECT_EQ(machine.rsp(), Machine::kStack);
}

TEST(EventDelivery64, StackThatCrossesIntoAnAbsentPageIsLeftAlone) {
    Machine machine(Mode::Long64);
    machine.gate(13, kInterruptGate32, sel::kCode64, kHandler);
    // The frame's upper part lies in the hole, its lower part in memory below: SS is pushed first.
    machine.cpu.set_gpr(Gpr::RSP, Machine::kHole + 0x10);
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::GP, 0));
    EXPECT_EQ(result.kind, Kind::Fault);
    EXPECT_EQ(result.cr2, Machine::kHole + 8);
    EXPECT_EQ(machine.peek<uint64_t>(Machine::kHole - 8), 0u);
}

TEST(EventDelivery64, ThePushThatReachesAnAbsentPageIsTheOneReported) {
    Machine machine(Mode::Long64);
    machine.gate(13, kInterruptGate32, sel::kCode64, kHandler);
    // SS and RSP fit above the hole; RFLAGS is the first word below.
    constexpr uint64_t kEnd = Machine::kHole + (2 << 20);
    machine.cpu.set_gpr(Gpr::RSP, kEnd + 0x10);
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::GP, 0));
    EXPECT_EQ(result.kind, Kind::Fault);
    EXPECT_EQ(result.cr2, kEnd - 8);
    EXPECT_EQ(machine.rsp(), kEnd + 0x10);
}

TEST(EventDelivery64, RfIsSavedForFaultsAndWhereTheEventSaysSo) {
    const auto saved = [](Event event, bool resume_flag) {
        Machine machine(Mode::Long64);
        machine.gate(event.vector, kInterruptGate32, sel::kCode64, kHandler);
        event.resume_flag = resume_flag;
        EXPECT_EQ(deliver_event(machine.cpu, machine.mmu, event).kind, Kind::Delivered);
        EXPECT_EQ(machine.cpu.rflags() & rf::RF, 0u);
        return (machine.peek<uint64_t>(machine.rsp() + 16) & rf::RF) != 0;
    };
    EXPECT_TRUE(saved(Event::exception(Vector::UD), false));
    EXPECT_FALSE(saved(Event::exception(Vector::DB), false));
    EXPECT_TRUE(saved(Event::exception(Vector::DB), true));
    EXPECT_FALSE(saved(Event::external_interrupt(kIrq), false));
    EXPECT_TRUE(saved(Event::external_interrupt(kIrq), true));
}

TEST(EventDelivery64, EptViolationOfTheIdtIsAnExit) {
    Machine machine(Mode::Long64);
    machine.mmu.set_ept(0x1e);  // an empty table
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq));
    EXPECT_EQ(result.kind, Kind::MmuExit);
    EXPECT_EQ(result.mmu.kind, MmuFault::Kind::EptViolation);
    EXPECT_EQ(result.mmu.gva, Gva(Machine::kIdt + uint64_t{kIrq} * 16));
}

TEST(EventDelivery32, SamePrivilegePushesThreeDoublewords) {
    Machine machine(Mode::Protected32);
    machine.gate(kIrq, kInterruptGate32, sel::kCode32, 0x12'7000);
    machine.cpu.set_rflags(0x202 | rf::TF | rf::NT);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.cpu.rip(), 0x12'7000u);
    EXPECT_EQ(machine.rsp(), Machine::kStack - 12);
    const std::vector<uint64_t> frame{Machine::kCode, sel::kCode32, 0x202 | rf::TF | rf::NT};
    EXPECT_EQ(stack_of<uint32_t>(machine, 3), frame);
    EXPECT_EQ(machine.cpu.rflags(), 2u) << "IF, TF and NT are cleared";
}

TEST(EventDelivery32, InnerPrivilegeSwitchesToTheStackOfTheTss) {
    Machine machine(Mode::Protected32, 3);
    machine.gate(13, kTrapGate32, sel::kCode32, kHandler);
    machine.cpu.set_rflags(0x202);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::GP, 0x18)).kind,
              Kind::Delivered);
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 24);
    const std::vector<uint64_t> frame{0x18,           Machine::kCode,  sel::kUserCode32,
                                      0x202 | rf::RF, Machine::kStack, sel::kUserData32};
    EXPECT_EQ(stack_of<uint32_t>(machine, 6), frame);
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::SS).selector, sel::kData32);
    EXPECT_EQ(machine.cpu.segment(SegmentRegister::SS).rights.dpl(), 0u);
    EXPECT_EQ(machine.cpu.cpl(), 0u);
}

TEST(EventDelivery32, SixteenBitGatePushesWordsAndCutsTheOffset) {
    Machine machine(Mode::Protected32);
    machine.gate(kIrq, kInterruptGate16, sel::kCode32, 0x12'7000);
    machine.cpu.set_rip(0x12'3456);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.cpu.rip(), 0x7000u);
    EXPECT_EQ(machine.rsp(), Machine::kStack - 6);
    const std::vector<uint64_t> frame{0x3456, sel::kCode32, 2};
    EXPECT_EQ(stack_of<uint16_t>(machine, 3), frame);
}

TEST(EventDelivery32, SixteenBitTssGivesAWordStack) {
    Machine machine(Mode::Protected32, 3);
    machine.gate(kIrq, kInterruptGate32, sel::kCode32, kHandler);
    machine.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss2, 0x2b, {0x83}});
    machine.poke<uint16_t>(Machine::kTss2 + 2, 0x8800);
    machine.poke<uint16_t>(Machine::kTss2 + 4, sel::kData32);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), 0x8800u - 20);
}

TEST(EventDelivery32, SmallStackSegmentMovesSpOnly) {
    Machine machine(Mode::Protected16);
    machine.gate(kIrq, kInterruptGate16, sel::kCode16, kHandler);
    machine.cpu.set_gpr(Gpr::RSP, 0xabcd'0004);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), 0xabcd'fffeu) << "wraps at 64 KiB, the upper half stays";
    EXPECT_EQ(machine.peek<uint16_t>(0xfffe), Machine::kCode);
    EXPECT_EQ(machine.peek<uint16_t>(0), sel::kCode16);
    EXPECT_EQ(machine.peek<uint16_t>(2), 2u);
}

TEST(EventDelivery32, TaskGateIsLeftToTheCaller) {
    Machine machine(Mode::Protected32, 3);
    machine.gate(8, kTaskGate, sel::kFree, 0);
    machine.descriptor(sel::kFree, Machine::kTss2, 0x67, 0x89);
    const auto before = image_of(machine);
    const DeliveryResult result = deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::DF, 0));
    EXPECT_EQ(result.kind, Kind::TaskGate);
    EXPECT_EQ(result.task, sel::kFree);
    EXPECT_EQ(image_of(machine), before);
    machine.gate(8, 0x05, sel::kFree, 0);
    expect_fault(machine, Event::exception(Vector::DF, 0), Event::exception(Vector::NP, 8 * 8 + 3));
}

TEST(EventDelivery32, ATaskThatCannotBeSwitchedToIsAFaultThatNamesIt) {
    struct Row {
        const char* what;
        uint16_t selector;
        uint32_t limit, access;
        Vector vector;
        uint32_t error;
    };
    constexpr uint32_t kExt = 1;
    const Row rows[] = {{"busy", sel::kFree, 0x67, 0x8b, Vector::GP, sel::kFree | kExt},
                        {"no TSS", sel::kFree, 0x67, 0x82, Vector::GP, sel::kFree | kExt},
                        {"in the LDT", sel::kFree | 4, 0x67, 0x89, Vector::GP, sel::kFree | 4 | kExt},
                        {"beyond the GDT", 0x100, 0x67, 0x89, Vector::GP, 0x100 | kExt},
                        {"not present", sel::kFree, 0x67, 0x09, Vector::NP, sel::kFree | kExt},
                        {"too small", sel::kFree, 0x66, 0x89, Vector::TS, sel::kFree | kExt},
                        {"too small for 16 bits", sel::kFree, 0x2a, 0x81, Vector::TS, sel::kFree | kExt}};
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(Mode::Protected32);
        machine.gate(kIrq, kTaskGate, row.selector, 0);
        machine.descriptor(sel::kFree, Machine::kTss2, row.limit, row.access);
        expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(row.vector, row.error));
        const auto software = Event::software(EventType::SOFTWARE_INTERRUPT, kIrq, 2);
        expect_fault(machine, software, Event::exception(row.vector, row.error & ~kExt));
    }
}

TEST(EventDelivery32, FaultsOfTheInnerStack) {
    struct Row {
        const char* what;
        void (*prepare)(Machine&);
        Vector vector;
        uint32_t error;
    };
    const Row rows[] = {
        {"TSS limit",
         [](Machine& m) {
             m.cpu.set_segment(SegmentRegister::TR, {sel::kTss, Machine::kTss, 8, {0x8b}});
         },
         Vector::TS, sel::kTss | 1},
        {"null", [](Machine& m) { m.poke<uint16_t>(Machine::kTss + 8, 0); }, Vector::TS, 1},
        {"limit", [](Machine& m) { m.poke<uint16_t>(Machine::kTss + 8, 0x100); }, Vector::TS, 0x101},
        {"RPL", [](Machine& m) { m.poke<uint16_t>(Machine::kTss + 8, sel::kData32 | 3); }, Vector::TS,
         sel::kData32 | 1},
        {"DPL", [](Machine& m) { m.poke<uint16_t>(Machine::kTss + 8, sel::kUserData32 & ~3); }, Vector::TS,
         (sel::kUserData32 & ~3) | 1},
        {"code", [](Machine& m) { m.poke<uint16_t>(Machine::kTss + 8, sel::kCode32); }, Vector::TS,
         sel::kCode32 | 1},
        {"not present",
         [](Machine& m) {
             m.descriptor(sel::kFree, 0, 0xffffffff, (rights::kData & ~rights::kPresent) | rights::kFlat32);
             m.poke<uint16_t>(Machine::kTss + 8, sel::kFree);
         },
         Vector::SS, sel::kFree | 1},
        {"stack limit",
         [](Machine& m) {
             m.descriptor(sel::kFree, 0, 0x8fff, rights::kData | rights::kBig);
             m.poke<uint16_t>(Machine::kTss + 8, sel::kFree);
         },
         Vector::SS, sel::kFree | 1},
        {"EIP",
         [](Machine& m) {
             m.descriptor(sel::kFree, 0, 0x6fff, rights::kCode | rights::kBig);
             m.gate(kIrq, kInterruptGate32, sel::kFree, kHandler);
         },
         Vector::GP, 1},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.what);
        Machine machine(Mode::Protected32, 3);
        machine.gate(kIrq, kInterruptGate32, sel::kCode32, kHandler);
        row.prepare(machine);
        expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(row.vector, row.error));
    }
}

TEST(EventDelivery32, StackLimitWithoutAPrivilegeChangeNamesNoSelector) {
    Machine machine(Mode::Protected32);
    machine.gate(kIrq, kInterruptGate32, sel::kCode32, kHandler);
    machine.descriptor(sel::kFree, 0, 0x8fff, rights::kExpandDown | rights::kBig);
    machine.load(SegmentRegister::SS, sel::kFree);
    machine.cpu.set_gpr(Gpr::RSP, 0x9008);  // expand-down: only offsets above the limit
    expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(Vector::SS, 1));
    machine.cpu.set_gpr(Gpr::RSP, 0x900c);
    EXPECT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
}

TEST(EventDelivery8086, SavesTheDataSegmentsAndClearsThem) {
    Machine machine(Mode::V8086);
    machine.gate(13, kInterruptGate32, sel::kCode32, kHandler);
    machine.cpu.set_segment(SegmentRegister::DS, {0x1234, 0x12340, 0xffff, {0xf3}});
    machine.cpu.set_segment(SegmentRegister::GS, {0x5678, 0x56780, 0xffff, {0xf3}});
    const uint64_t flags = machine.cpu.rflags();
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::GP, 0)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), Machine::kInnerStack - 40);
    const std::vector<uint64_t> frame{0, Machine::kCode, 0, flags | rf::RF, Machine::kStack, 0,
                                      0, 0x1234,         0, 0x5678};
    EXPECT_EQ(stack_of<uint32_t>(machine, 10), frame);
    EXPECT_FALSE(machine.cpu.v8086());
    EXPECT_EQ(machine.cpu.cpl(), 0u);
    for (const auto index :
         {SegmentRegister::ES, SegmentRegister::DS, SegmentRegister::FS, SegmentRegister::GS}) {
        EXPECT_EQ(machine.cpu.selector(index), 0);
        EXPECT_TRUE(machine.cpu.segment(index).rights.unusable());
    }
}

TEST(EventDelivery8086, HandlerMustBeOfPrivilegeLevel0) {
    Machine machine(Mode::V8086);
    machine.gate(kIrq, kInterruptGate32, sel::kConforming32, kHandler);
    expect_fault(machine, Event::external_interrupt(kIrq),
                 Event::exception(Vector::GP, sel::kConforming32 | 1));
}

TEST(EventDeliveryReal, VectorsThroughTheTableWithWordFrames) {
    Machine machine(Mode::Real);
    machine.poke<uint32_t>(uint64_t{kIrq} * 4, 0x1000'0200);
    machine.cpu.set_segment(SegmentRegister::CS, {0x50, 0x500, 0xffff, {0x93}});
    machine.cpu.set_segment(SegmentRegister::SS, {0x800, 0x8000, 0xffff, {0x93}});
    machine.cpu.set_gpr(Gpr::RSP, 0xffff'0100);
    machine.cpu.set_rflags(0x202 | rf::TF | rf::AC);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::external_interrupt(kIrq)).kind, Kind::Delivered);
    EXPECT_EQ(machine.cpu.rip(), 0x200u);
    EXPECT_EQ(machine.cpu.selector(SegmentRegister::CS), 0x1000);
    EXPECT_EQ(machine.cpu.segment_base(SegmentRegister::CS), 0x10000u);
    EXPECT_EQ(machine.cpu.rflags(), 2u);
    EXPECT_EQ(machine.rsp(), 0xffff'00fau);
    EXPECT_EQ(machine.peek<uint16_t>(0x80fa), Machine::kCode);
    EXPECT_EQ(machine.peek<uint16_t>(0x80fc), 0x50);
    EXPECT_EQ(machine.peek<uint16_t>(0x80fe), 0x302);
}

TEST(EventDeliveryReal, PushesNoErrorCodeAndFaultsWithout) {
    Machine machine(Mode::Real);
    machine.poke<uint32_t>(uint64_t{13} * 4, 0x1000'0200);
    ASSERT_EQ(deliver_event(machine.cpu, machine.mmu, Event::exception(Vector::GP, 0)).kind, Kind::Delivered);
    EXPECT_EQ(machine.rsp(), Machine::kStack - 6);
    machine.cpu.set_idtr({0, kIrq * 4 + 2});
    expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(Vector::GP));
    machine.cpu.set_idtr({0, 0x3ff});
    machine.cpu.set_gpr(Gpr::RSP, 1);
    expect_fault(machine, Event::external_interrupt(kIrq), Event::exception(Vector::SS));
}

TEST(EventDelivery, CombinesAsTable6_5Says) {
    const Event interrupt = Event::external_interrupt(0x20);
    const Event pf = Event::exception(Vector::PF, 2), gp = Event::exception(Vector::GP, 8);
    const Event df = Event::exception(Vector::DF, 0), ud = Event::exception(Vector::UD);
    struct Row {
        Event first, second;
        bool triple;
        Event result;
    };
    const Row rows[] = {
        {interrupt, gp, false, gp}, {Event::software(EventType::SOFTWARE_INTERRUPT, 13, 2), gp, false, gp},
        {ud, gp, false, gp},        {gp, gp, false, df},
        {gp, pf, false, pf},        {pf, pf, false, df},
        {pf, gp, false, df},        {pf, ud, false, ud},
        {df, gp, true, {}},         {df, pf, true, {}},
        {df, ud, false, ud},
    };
    for (const Row& row : rows) {
        const Combination result = combine(row.first, row.second);
        EXPECT_EQ(result.triple_fault, row.triple) << &row - rows;
        if (!row.triple) {
            EXPECT_EQ(result.event, row.result) << &row - rows;
        }
    }
}

}  // namespace
}  // namespace vtless::sim::test
