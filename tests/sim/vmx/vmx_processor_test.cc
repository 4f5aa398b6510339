// SPDX-License-Identifier: MIT
#include "sim/vmx/vmx_processor.h"

#include <gtest/gtest.h>

#include "isa/x86/exit_qualification.h"
#include "isa/x86/rflags.h"
#include "isa/x86/vmx_hw.h"
#include "tests/sim/vmx/guest_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::PrimaryControls;
using x86::Vector;
using x86::VmInstructionError;
using x86::VmxStatus;

static_assert(x86::VmxHw<VmxProcessor>);

using VmxProcessorTest = GuestFixture;

// ------------------------------------------------------------------------------------ entry and exit

TEST_F(VmxProcessorTest, CpuidExitsAndTheGuestGoesOn) {
    code({0x0f, 0xa2, 0xf4});  // cpuid; hlt
    gprs.set(Gpr::RAX, 7);
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 2);
    EXPECT_EQ(gprs.get(Gpr::RAX), 7);
    ASSERT_EQ(skip(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

TEST_F(VmxProcessorTest, GuestStateIsReadBackAfterTheExit) {
    // mov rsp, 0x300000; mov fs, ax (0); stc; cpuid
    code({0x48, 0xc7, 0xc4, 0x00, 0x00, 0x30, 0x00, 0x8e, 0xe0, 0xf9, 0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RSP), 0x300000);
    EXPECT_EQ(read(F::GUEST_RFLAGS), 2 | x86::rflags::CF);
    EXPECT_EQ(read(F::GUEST_FS_SELECTOR), 0);
    EXPECT_TRUE(x86::AccessRights{static_cast<uint32_t>(read(F::GUEST_FS_ACCESS_RIGHTS))}.unusable());
    EXPECT_EQ(read(F::GUEST_CS_ACCESS_RIGHTS), 0xa09b);
    EXPECT_EQ(read(F::GUEST_CR3), kPml4);
    EXPECT_EQ(read(F::GUEST_IA32_EFER), x86::efer::LME | x86::efer::LMA | x86::efer::SCE | x86::efer::NXE);
    EXPECT_EQ(read(F::GUEST_GDTR_BASE), values.gdt);
    EXPECT_EQ(read(F::GUEST_TR_ACCESS_RIGHTS), 0x8b);
}

TEST_F(VmxProcessorTest, HiddenGuestStateCanBeChangedBetweenExits) {
    code({0x0f, 0xa2, 0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xf4});  // cpuid; mov rax, fs:[0]; hlt
    put<uint64_t>(0x300000, 0x1122334455667788);
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::GUEST_FS_BASE, 0x300000);
    EXPECT_EQ(read(F::GUEST_FS_BASE), 0x300000);
    ASSERT_EQ(skip(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RAX), 0x1122334455667788);
    EXPECT_EQ(read(F::GUEST_FS_BASE), 0x300000);
}

TEST_F(VmxProcessorTest, VmreadOfTheHighHalfGivesTheUpperBits) {
    write(F::TSC_OFFSET, 0x1111111122222222);
    EXPECT_EQ(read(F::TSC_OFFSET_HIGH), 0x11111111);
    write(F::TSC_OFFSET_HIGH, 0xfeedfacecafebeef);
    EXPECT_EQ(read(F::TSC_OFFSET), 0xcafebeef22222222);
    write(F::VPID, 0x123456789);
    EXPECT_EQ(read(F::VPID), 0x6789);
}

TEST_F(VmxProcessorTest, TheExitLoadsTheHostState) {
    write(F::HOST_FS_BASE, 0xffff800012345000);
    write(F::HOST_GS_SELECTOR, 0);
    code({0x0f, 0xa2});
    run();
    const RootState& host = hw->host_state();
    EXPECT_EQ(host.segment(x86::SegmentRegister::FS).base, 0xffff800012345000);
    EXPECT_TRUE(host.segment(x86::SegmentRegister::GS).rights.unusable());
    EXPECT_EQ(host.segment(x86::SegmentRegister::CS).rights.raw, 0xa09b);
    EXPECT_EQ(host.gdtr.limit, 0xffff);
    EXPECT_EQ(host.rip, RootState::kKernelBase + 0x9000);
    EXPECT_EQ(host.rflags, 2);
    EXPECT_EQ(host.dr7, x86::dr7::kReset);
    EXPECT_EQ(hw->segment_base(x86::SegmentRegister::FS), 0xffff800012345000);
}

TEST_F(VmxProcessorTest, LaunchStateErrorsAre4And5) {
    code({0x0f, 0xa2});
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fail_valid(VmInstructionError::VMRESUME_NON_LAUNCHED_VMCS));
    run();
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_valid(VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS));
    EXPECT_EQ(read(F::VM_INSTRUCTION_ERROR), 4);
}

TEST_F(VmxProcessorTest, ALaunchDoesNotOutliveVmxOperation) {
    code({0x0f, 0xa2, 0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    Hpa vmxon;
    ASSERT_TRUE(memory.allocate_frame(vmxon));
    put_host<uint32_t>(vmxon, capability::kRevision);
    ASSERT_TRUE(hw->vmxoff().ok());
    ASSERT_TRUE(hw->vmxon(vmxon).ok());
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    EXPECT_EQ(hw->vmresume(gprs), VmxStatus::fail_valid(VmInstructionError::VMRESUME_AFTER_VMXOFF));
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_valid(VmInstructionError::VMLAUNCH_NON_CLEAR_VMCS));
    ASSERT_TRUE(hw->vmclear(vmcs).ok());
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    launched = false;
    ASSERT_EQ(skip(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
}

// Root operation is a 64-bit host's, as that of silicon in IA-32e mode.
TEST_F(VmxProcessorTest, A32BitHostIsRefused) {
    const uint64_t controls = read(F::VM_EXIT_CONTROLS);
    write(F::VM_EXIT_CONTROLS, controls & ~uint64_t{x86::ExitControls::HOST_ADDRESS_SPACE_SIZE});
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_valid(VmInstructionError::ENTRY_INVALID_HOST_STATE));
}

TEST_F(VmxProcessorTest, ControlAndHostFailuresAreErrors7And8) {
    write(F::CR3_TARGET_COUNT, 5);
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_valid(VmInstructionError::ENTRY_INVALID_CONTROL_FIELDS));
    EXPECT_STREQ(hw->last_entry_failure()->id(), "controls.cr3_target_count");
    write(F::CR3_TARGET_COUNT, 0);
    write(F::HOST_TR_SELECTOR, 0);
    EXPECT_EQ(hw->vmlaunch(gprs), VmxStatus::fail_valid(VmInstructionError::ENTRY_INVALID_HOST_STATE));
    EXPECT_STREQ(hw->last_entry_failure()->id(), "host.tr.null");
}

TEST_F(VmxProcessorTest, GuestStateFailureIsExit33AndLeavesTheVmcsClear) {
    code({0x0f, 0xa2});
    write(F::GUEST_RFLAGS, 0);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_EQ(read(F::EXIT_REASON), 0x80000021);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "guest.rflags.reserved");
    write(F::GUEST_RFLAGS, 2);
    EXPECT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(hw->last_entry_failure(), nullptr);
}

TEST_F(VmxProcessorTest, AFieldBrokenBetweenExitsIsFound) {
    code({0x0f, 0xa2, 0xf4});
    ASSERT_EQ(run(), Reason::CPUID);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xe09b);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "guest.cs.l_and_d");
    write(F::GUEST_CS_ACCESS_RIGHTS, 0xa09b);
    write(F::GUEST_RIP, uint64_t{1} << 48);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_GUEST_STATE);
    EXPECT_STREQ(hw->last_entry_failure()->id(), "guest.rip.canonical");
    // SDM Vol. 3C 27.3.1.4: bits 63:48 must be identical, and bit 47 is not among them.
    write(F::EXCEPTION_BITMAP, 1u << 13);
    write(F::GUEST_RIP, uint64_t{1} << 47);
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), uint64_t{1} << 47);
}

TEST_F(VmxProcessorTest, MsrLoadFailureIsExit34WithTheEntryNumber) {
    Hpa area;
    ASSERT_TRUE(memory.allocate_frame(area));
    put_host<uint64_t>(area, static_cast<uint32_t>(x86::Msr::IA32_STAR));
    put_host<uint64_t>(area + 8, 0x0023001000000000);
    put_host<uint64_t>(area + 16, 0x12345678);
    write(F::VM_ENTRY_MSR_LOAD_ADDRESS, area.value());
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 2);
    ASSERT_EQ(run(), Reason::ENTRY_FAILURE_MSR_LOADING);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 2);
    write(F::VM_ENTRY_MSR_LOAD_COUNT, 1);
    code({0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    uint64_t star = 0;
    ASSERT_TRUE(hw->rdmsr(x86::Msr::IA32_STAR, star).ok());
    EXPECT_EQ(star, 0x0023001000000000);
}

TEST_F(VmxProcessorTest, TwoGuestsKeepTheirOwnRegisters) {
    code({0x0f, 0xa2, 0xf4});
    Hpa other;
    ASSERT_TRUE(memory.allocate_frame(other));
    put_host<uint32_t>(other, capability::kRevision);
    gprs.set(Gpr::RBX, 1);
    ASSERT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(hw->vmptrld(other).ok());
    values.guest_rip = kCode;
    values.guest_rsp = 0x280000;
    values.fill([&](F field, uint64_t value) { write(field, value); });
    write(F::VPID, 2);
    Gprs others;
    others.set(Gpr::RBX, 2);
    ASSERT_TRUE(hw->vmlaunch(others).ok());
    EXPECT_EQ(read(F::GUEST_RSP), 0x280000);
    EXPECT_EQ(others.get(Gpr::RBX), 2);
    EXPECT_EQ(gprs.get(Gpr::RBX), 1);
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    EXPECT_EQ(read(F::GUEST_RSP), values.guest_rsp == 0x280000 ? 0x200000u : 0u);
    ASSERT_EQ(skip(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 1);
    EXPECT_EQ(read(F::GUEST_RSP), 0x200000);
}

TEST_F(VmxProcessorTest, VmclearSavesWhatIsStillInTheEngine) {
    code({0xbb, 0x34, 0x12, 0, 0, 0xf9, 0x0f, 0xa2, 0xf4});  // mov ebx, 0x1234; stc; cpuid; hlt
    ASSERT_EQ(run(), Reason::CPUID);
    ASSERT_TRUE(hw->vmclear(vmcs).ok());
    ASSERT_TRUE(hw->vmptrld(vmcs).ok());
    EXPECT_EQ(read(F::GUEST_RFLAGS), 2 | x86::rflags::CF);
    launched = false;
    ASSERT_EQ(skip(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RBX), 0x1234);
}

// ----------------------------------------------------------------------------------------- exceptions

TEST_F(VmxProcessorTest, AnExceptionOfTheBitmapExitsWithErrorCodeAndCr2Untouched) {
    write(F::EXCEPTION_BITMAP, 1u << 14);
    code({0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x50});  // mov rax, [0x50000000]: beyond the page tables
    put<uint64_t>(0x12000 + 8 * 128, 0);            // 0x10000000 not present
    code({0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0x10});
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    const EventInfo info{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))};
    EXPECT_EQ(info, EventInfo::exception(Vector::PF));
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_ERROR_CODE), 0);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0x10000010);
    EXPECT_EQ(read(F::GUEST_RFLAGS), 2 | x86::rflags::RF);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), 0);
}

TEST_F(VmxProcessorTest, TheErrorCodeMaskInvertsThePageFaultBit) {
    write(F::PAGE_FAULT_ERROR_CODE_MASK, 1);
    write(F::PAGE_FAULT_ERROR_CODE_MATCH, 1);  // not-present faults do not match: they exit as the bit is 0
    put<uint64_t>(0x12000 + 8 * 128, 0);
    code({0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0x10});
    EXPECT_EQ(run(), Reason::EXCEPTION_OR_NMI);
}

TEST_F(VmxProcessorTest, OtherExceptionsReachTheGuestsHandler) {
    code({0x0f, 0x0b});  // ud2
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 6ul * 16);
    EXPECT_EQ(get<uint64_t>(kStack - 0x28), kCode);  // RIP of the frame
}

TEST_F(VmxProcessorTest, AnInterceptedFaultDuringDeliveryReportsTheOriginalEvent) {
    write(F::EXCEPTION_BITMAP, 1u << 14);
    write(F::GUEST_RSP, 0x10000100);
    put<uint64_t>(0x12000 + 8 * 128, 0);  // the stack is not mapped
    code({0xcd, 0x80});                   // int 0x80
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    const EventInfo vectoring{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))};
    EXPECT_EQ(vectoring, EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80));
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 2);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION) >> 12, 0x10000);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(VmxProcessorTest, AnInterruptedDeliveryReportsTheErrorCodeOfItsEvent) {
    write(F::GUEST_RSP, 0x10000100);
    put<uint64_t>(0x12000 + 8 * 128, kUnbacked | 0x87);  // the stack: EPT does not map it
    code({0x8e, 0xd8});                                  // mov ds, eax
    gprs.set(Gpr::RAX, 0x1230);                          // beyond the GDT
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), EventInfo::exception(Vector::GP).raw);
    EXPECT_EQ(read(F::IDT_VECTORING_ERROR_CODE), 0x1230);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(VmxProcessorTest, ADoubleFaultThatFaultsIsATripleFault) {
    write(F::GUEST_IDTR_LIMIT, 0);
    code({0x0f, 0x0b});
    EXPECT_EQ(run(), Reason::TRIPLE_FAULT);
    EXPECT_EQ(read(F::IDT_VECTORING_INFORMATION), 0);
}

TEST_F(VmxProcessorTest, Int3IsASoftwareExceptionWithItsLength) {
    write(F::EXCEPTION_BITMAP, 1u << 3);
    code({0xcc});
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    const EventInfo info{static_cast<uint32_t>(read(F::VM_EXIT_INTERRUPTION_INFORMATION))};
    EXPECT_EQ(info, EventInfo::make(EventType::SOFTWARE_EXCEPTION, 3));
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 1);
}

// ------------------------------------------------------------------------------------------ injection

TEST_F(VmxProcessorTest, AnInjectedInterruptRunsItsHandler) {
    code({0x90});
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::external_interrupt(0x30).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 0x30ul * 16);
    EXPECT_EQ(read(F::VM_ENTRY_INTERRUPTION_INFORMATION), 0x30);  // no longer valid
    EXPECT_EQ(read(F::GUEST_RFLAGS) & x86::rflags::IF, 0);
}

TEST_F(VmxProcessorTest, AnInjectedExceptionPushesItsErrorCodeAndKeepsCr2) {
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::exception(Vector::GP).raw);
    write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0x1234);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 13ul * 16);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), 0x1234);
}

TEST_F(VmxProcessorTest, AnInjectedSoftwareInterruptReturnsBehindTheInstruction) {
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80).raw);
    write(F::VM_ENTRY_INSTRUCTION_LENGTH, 2);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), kCode + 2);
}

TEST_F(VmxProcessorTest, TheInterruptWindowOpensAfterTheStiShadow) {
    set_primary(PrimaryControls::INTERRUPT_WINDOW_EXITING);
    code({0x90, 0xfb, 0x90, 0x90, 0xf4});  // nop; sti; nop; nop; hlt
    ASSERT_EQ(run(), Reason::INTERRUPT_WINDOW);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 3);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
}

TEST_F(VmxProcessorTest, AnExitInTheStiShadowSaysSo) {
    code({0xfb, 0x0f, 0xa2, 0xf4});  // sti; cpuid; hlt
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), x86::interruptibility::BLOCKING_BY_STI);
    write(F::GUEST_INTERRUPTIBILITY_STATE, 0);
    set_primary(PrimaryControls::INTERRUPT_WINDOW_EXITING);
    ASSERT_EQ(skip(), Reason::INTERRUPT_WINDOW);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 3);
}

TEST_F(VmxProcessorTest, TheNmiWindowOpensWithIret) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::NMI_EXITING | x86::PinControls::VIRTUAL_NMIS}}).raw);
    put<uint16_t>(kHandlers + 2ul * 16, 0xcf48);  // iretq
    code({0x90, 0x90, 0xf4});
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::nmi().raw);
    set_primary(PrimaryControls::NMI_WINDOW_EXITING);
    ASSERT_EQ(run(), Reason::NMI_WINDOW);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::GUEST_INTERRUPTIBILITY_STATE), 0);
}

// ---------------------------------------------------------------------------------------- instructions

TEST_F(VmxProcessorTest, IoExitsDescribeTheInstruction) {
    code({0x66, 0xba, 0xf8, 0x03, 0xee, 0xe5, 0x60});  // mov dx, 0x3f8; out dx, al; in eax, 0x60
    ASSERT_EQ(run(), Reason::IO_INSTRUCTION);
    const auto out = x86::IoQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_EQ(out, (x86::IoQualification{1, false, false, false, false, 0x3f8}));
    ASSERT_EQ(skip(), Reason::IO_INSTRUCTION);
    const auto in = x86::IoQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_EQ(in, (x86::IoQualification{4, true, false, false, true, 0x60}));
}

TEST_F(VmxProcessorTest, StringIoReportsSegmentAddressSizeAndLinearAddress) {
    code({0x64, 0xf3, 0x6e});  // rep outsb with FS
    gprs.set(Gpr::RCX, 3);
    gprs.set(Gpr::RSI, 0x500);
    gprs.set(Gpr::RDX, 0x402);
    write(F::GUEST_FS_BASE, 0x300000);
    ASSERT_EQ(run(), Reason::IO_INSTRUCTION);
    const auto out = x86::IoQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_EQ(out, (x86::IoQualification{1, false, true, true, false, 0x402}));
    EXPECT_EQ(read(F::GUEST_LINEAR_ADDRESS), 0x300500);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_INFORMATION), 2u << 7 | 4u << 15);  // 64-bit, FS
}

TEST_F(VmxProcessorTest, IoBitmapsSelectPortsAndWidths) {
    Hpa a, b;
    ASSERT_TRUE(memory.allocate_frame(a) && memory.allocate_frame(b));
    put_host<uint8_t>(a + 0x63 / 8, 1u << (0x63 % 8));
    write(F::IO_BITMAP_A, a.value());
    write(F::IO_BITMAP_B, b.value());
    set_primary(PrimaryControls::USE_IO_BITMAPS);
    code({0xe4, 0x60, 0xe5, 0x60, 0xf4});  // in al, 0x60 (floats); in eax, 0x60 (touches 0x63)
    ASSERT_EQ(run(), Reason::IO_INSTRUCTION);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(gprs.get(Gpr::RAX) & 0xff, 0xff);
}

TEST_F(VmxProcessorTest, MsrBitmapsTellReadsFromWrites) {
    Hpa bitmap;
    ASSERT_TRUE(memory.allocate_frame(bitmap));
    put_host<uint8_t>(bitmap + 3072 + 0x81 / 8, 1u << (0x81 % 8));  // writes of IA32_STAR
    write(F::MSR_BITMAP, bitmap.value());
    set_primary(PrimaryControls::USE_MSR_BITMAPS);
    code({0xb9, 0x81, 0, 0, 0xc0, 0x0f, 0x32, 0x0f, 0x30});  // mov ecx, STAR; rdmsr; wrmsr
    ASSERT_EQ(run(), Reason::WRMSR);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 7);
}

TEST_F(VmxProcessorTest, AnUnknownMsrThatDoesNotExitIsGeneralProtection) {
    Hpa bitmap;
    ASSERT_TRUE(memory.allocate_frame(bitmap));
    write(F::MSR_BITMAP, bitmap.value());
    set_primary(PrimaryControls::USE_MSR_BITMAPS);
    code({0xb9, 0x55, 0x15, 0, 0, 0x0f, 0x32});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 13ul * 16);
}

TEST_F(VmxProcessorTest, OwnedBitsOfCr0ExitAndOthersDoNot) {
    write(F::CR0_GUEST_HOST_MASK, x86::cr0::NE);
    write(F::CR0_READ_SHADOW, 0);
    code({0x0f, 0x20, 0xc0, 0x48, 0x0d, 0x02, 0, 0, 0, 0x0f, 0x22,
          0xc0,                                        // mov rax, cr0; or rax, MP; mov cr0, rax
          0x48, 0x83, 0xc8, 0x20, 0x0f, 0x22, 0xc0});  // or rax, NE; mov cr0, rax
    ASSERT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 16);
    const auto access = x86::CrAccessQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_EQ(access, (x86::CrAccessQualification{0, x86::CrAccessType::MOV_TO, false, Gpr::RAX, 0}));
    EXPECT_NE(read(F::GUEST_CR0) & x86::cr0::MP, 0);
    EXPECT_NE(read(F::GUEST_CR0) & x86::cr0::NE, 0);
}

TEST_F(VmxProcessorTest, Cr3LoadsExitButForTheTargets) {
    set_primary(PrimaryControls::CR3_LOAD_EXITING);
    write(F::CR3_TARGET_COUNT, 1);
    write(F::CR3_TARGET_VALUE_0, kPml4);
    code({0xb8, 0, 0, 1, 0, 0x0f, 0x22, 0xd8, 0x05, 0, 0x10, 0, 0, 0x0f, 0x22, 0xd8});
    ASSERT_EQ(run(), Reason::CONTROL_REGISTER_ACCESS);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 13);
    EXPECT_EQ(x86::CrAccessQualification::decode(read(F::EXIT_QUALIFICATION)).cr, 3);
}

TEST_F(VmxProcessorTest, VmcallExits) {
    code({0x0f, 0x01, 0xc1});
    ASSERT_EQ(run(), Reason::VMCALL);
    EXPECT_EQ(read(F::VM_EXIT_INSTRUCTION_LENGTH), 3);
}

TEST_F(VmxProcessorTest, RdtscAddsTheOffset) {
    set_primary(PrimaryControls::USE_TSC_OFFSETTING);
    write(F::TSC_OFFSET, uint64_t{1} << 40);
    code({0x0f, 0x31, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(gprs.get(Gpr::RDX), 1u << 8);
}

TEST_F(VmxProcessorTest, AnEptViolationNamesBothAddresses) {
    put<uint64_t>(0x12000 + 8 * 128, kUnbacked | 0x87);  // linear 0x10000000 -> guest-physical beyond EPT
    code({0x48, 0x89, 0x04, 0x25, 0x08, 0, 0, 0x10});    // mov [0x10000008], rax
    ASSERT_EQ(run(), Reason::EPT_VIOLATION);
    EXPECT_EQ(read(F::GUEST_PHYSICAL_ADDRESS), kUnbacked + 8);
    EXPECT_EQ(read(F::GUEST_LINEAR_ADDRESS), 0x10000008);
    const auto violation = x86::EptViolationQualification::decode(read(F::EXIT_QUALIFICATION));
    EXPECT_TRUE(violation.write());
    EXPECT_TRUE(violation.gla_valid());
    EXPECT_TRUE(violation.final_translation());
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

// SDM Vol. 3D A.6, IA32_VMX_MISC bit 30: the return address is that of the instruction itself.
TEST_F(VmxProcessorTest, ASoftwareInterruptOfNoLengthReturnsToWhereItWas) {
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION,
          EventInfo::make(EventType::SOFTWARE_INTERRUPT, 0x80, false).raw);
    write(F::VM_ENTRY_INSTRUCTION_LENGTH, 0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + uint64_t{0x80} * 16);
    EXPECT_EQ(get<uint64_t>(kStack - 40), kCode);
}

// SDM Vol. 3D A.1, IA32_VMX_BASIC bit 56.
TEST_F(VmxProcessorTest, AnExceptionIsInjectedWithAnErrorCodeAsSoftwareSays) {
    write(F::VM_ENTRY_EXCEPTION_ERROR_CODE, 0x77);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::HARDWARE_EXCEPTION, 6, true).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(get<uint64_t>(read(F::GUEST_RSP)), 0x77u);
    write(F::GUEST_RSP, kStack);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION,
          EventInfo::make(EventType::HARDWARE_EXCEPTION, 13, false).raw);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RSP), kStack - 40);
}

// SMAP without SMEP: supervisor code may run from user pages, and not read them.
TEST_F(VmxProcessorTest, CodeThatSmapHidesRunsAndCannotBeRead) {
    write(F::GUEST_CR4, read(F::GUEST_CR4) | x86::cr4::SMAP);
    write(F::EXCEPTION_BITMAP, 1u << 14);
    code({0x90, 0x8b, 0x05, 0, 0, 0, 0});  // nop; mov eax, [rip]
    ASSERT_EQ(run(), Reason::EXCEPTION_OR_NMI);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 1);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), kCode + 7);
}

// -------------------------------------------------------------------------------------- time and waiting

TEST_F(VmxProcessorTest, ThePreemptionTimerEndsALoop) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS,
          capability::kPin.adjust({{x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER}}).raw);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 1000);
    code({0xeb, 0xfe});
    const uint64_t before = hw->rdtsc();
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_GE(hw->rdtsc() - before, 1000u << 5);
    write(F::VMX_PREEMPTION_TIMER_VALUE, 0);
    const uint64_t instructions = hw->engine().instructions();
    ASSERT_EQ(run(), Reason::PREEMPTION_TIMER);
    EXPECT_EQ(hw->engine().instructions(), instructions);
}

TEST_F(VmxProcessorTest, AHostInterruptExitsWithItsVector) {
    code({0xeb, 0xfe});
    hw->set_host_timer(hw->rdtsc() + 5000, 0x51);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION), EventInfo::external_interrupt(0x51).raw);
    EXPECT_EQ(hw->take_interrupt(), std::nullopt);
}

TEST_F(VmxProcessorTest, HltWithoutExitingWaitsForTheTimer) {
    values.primary &= ~PrimaryControls::HLT_EXITING;
    set_primary(0);
    code({0xf4});
    hw->set_host_timer(hw->rdtsc() + 1000000, 0x51);
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::GUEST_ACTIVITY_STATE), 1);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 1);
    EXPECT_FALSE(hw->stalled());
}

TEST_F(VmxProcessorTest, HltForeverIsReportedAsAStall) {
    values.primary &= ~PrimaryControls::HLT_EXITING;
    set_primary(0);
    code({0xf4});
    ASSERT_EQ(run(), Reason::INIT_SIGNAL);
    EXPECT_TRUE(hw->stalled());
}

TEST_F(VmxProcessorTest, AHostInterruptWithoutExitingGoesToTheGuest) {
    write(F::PIN_BASED_VM_EXECUTION_CONTROLS, capability::kPin.adjust({}).raw);
    write(F::GUEST_RFLAGS, 2 | x86::rflags::IF);
    hw->raise_interrupt(0x44);
    code({0xeb, 0xfe});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::GUEST_RIP), kHandlers + 0x44ul * 16);
}

TEST_F(VmxProcessorTest, ARequestFromOutsideEndsTheRun) {
    code({0xeb, 0xfe});
    hw->request_exit();
    ASSERT_EQ(run(), Reason::EXTERNAL_INTERRUPT);
    EXPECT_EQ(read(F::VM_EXIT_INTERRUPTION_INFORMATION),
              EventInfo::external_interrupt(HostEvents::kRequestVector).raw);
}

TEST_F(VmxProcessorTest, RootOperationIdlesUntilTheTimer) {
    EXPECT_FALSE(hw->idle_until_interrupt());
    hw->set_host_timer(hw->rdtsc() + 777, 0x20);
    const uint64_t before = hw->rdtsc();
    EXPECT_TRUE(hw->idle_until_interrupt());
    EXPECT_EQ(hw->rdtsc(), before + 777);
    EXPECT_EQ(hw->take_interrupt(), 0x20);
}

// ------------------------------------------------------------------------------------- modes

// SDM Vol. 3C "Loading Guest State" (27.3.2.1): without "load IA32_EFER" only LMA and LME change at VM entry.
TEST_F(VmxProcessorTest, WithoutItsControlEachEntryGivesTheGuestTheHostsEfer) {
    Hpa bitmap;
    ASSERT_TRUE(memory.allocate_frame(bitmap));
    write(F::MSR_BITMAP, bitmap.value());
    set_primary(PrimaryControls::USE_MSR_BITMAPS);
    write(F::VM_ENTRY_CONTROLS, read(F::VM_ENTRY_CONTROLS) & ~uint64_t{x86::EntryControls::LOAD_IA32_EFER});
    // mov ecx, IA32_EFER; rdmsr; and eax, ~SCE; wrmsr; cpuid; cpuid
    code({0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x83, 0xe0, 0xfe, 0x0f, 0x30, 0x0f, 0xa2, 0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_IA32_EFER) & x86::efer::SCE, 0u);
    ASSERT_EQ(skip(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_IA32_EFER) & x86::efer::SCE, x86::efer::SCE);
}

TEST_F(VmxProcessorTest, RealModeRunsAndEnteringLongModeSetsTheEntryControl) {
    code({0x0f, 0xa2});
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_NE(read(F::VM_ENTRY_CONTROLS) & x86::EntryControls::IA32E_MODE_GUEST, 0);
    write(F::VM_ENTRY_CONTROLS, read(F::VM_ENTRY_CONTROLS) & ~uint64_t{x86::EntryControls::IA32E_MODE_GUEST});
    write(F::GUEST_CR0, x86::cr0::NE | x86::cr0::ET);
    write(F::GUEST_CR4, x86::cr4::VMXE);
    write(F::GUEST_IA32_EFER, 0);
    write(F::GUEST_CS_BASE, 0x20000);
    write(F::GUEST_CS_SELECTOR, 0x2000);
    write(F::GUEST_CS_LIMIT, 0xffff);
    write(F::GUEST_CS_ACCESS_RIGHTS, 0x9b);
    write(F::GUEST_SS_ACCESS_RIGHTS, 0x93);
    write(F::GUEST_SS_LIMIT, 0xffff);
    write(F::GUEST_RIP, 0x100);
    code({0xb8, 0x34, 0x12, 0x0f, 0xa2}, 0x20100);  // mov ax, 0x1234; cpuid
    ASSERT_EQ(run(), Reason::CPUID);
    EXPECT_EQ(read(F::GUEST_RIP), 0x103);
    EXPECT_EQ(gprs.get(Gpr::RAX) & 0xffff, 0x1234);
    EXPECT_EQ(read(F::VM_ENTRY_CONTROLS) & x86::EntryControls::IA32E_MODE_GUEST, 0);
}

TEST_F(VmxProcessorTest, InvalidOperandsOfInveptAndInvvpidAreError28) {
    const auto invalid = VmxStatus::fail_valid(VmInstructionError::INVALID_OPERAND_TO_INVEPT_INVVPID);
    EXPECT_EQ(hw->invept(static_cast<x86::InveptType>(0), {}), invalid);
    EXPECT_EQ(hw->invept(x86::InveptType::SINGLE_CONTEXT, {0x1001, 0}), invalid);
    EXPECT_TRUE(hw->invept(x86::InveptType::SINGLE_CONTEXT, {eptp, 0}).ok());
    EXPECT_EQ(hw->invvpid(x86::InvvpidType::SINGLE_CONTEXT, {}), invalid);
    EXPECT_EQ(hw->invvpid(x86::InvvpidType::INDIVIDUAL_ADDRESS, {1, Gva(uint64_t{1} << 47)}), invalid);
    EXPECT_EQ(hw->invvpid(static_cast<x86::InvvpidType>(4), {1, {}}), invalid);
    EXPECT_TRUE(hw->invvpid(x86::InvvpidType::ALL_CONTEXT, {}).ok());
}

TEST_F(VmxProcessorTest, RootRegistersKeepTheFixedBitsOfVmxOperation) {
    EXPECT_EQ(hw->write_cr4(hw->read_cr4() & ~x86::cr4::VMXE), VmxStatus::fault(Vector::GP));
    EXPECT_EQ(hw->write_cr0(hw->read_cr0() & ~x86::cr0::NE), VmxStatus::fault(Vector::GP));
    uint64_t value = 0;
    EXPECT_EQ(hw->rdmsr(static_cast<x86::Msr>(0x1555), value), VmxStatus::fault(Vector::GP));
    EXPECT_EQ(hw->wrmsr(x86::Msr::IA32_VMX_BASIC, 0), VmxStatus::fault(Vector::GP));
    EXPECT_EQ(hw->xsetbv(0, x86::xcr0::SSE), VmxStatus::fault(Vector::GP));
    EXPECT_TRUE(hw->xsetbv(0, x86::xcr0::X87 | x86::xcr0::SSE).ok());
}

}  // namespace
}  // namespace vtless::sim
