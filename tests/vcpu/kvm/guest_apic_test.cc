// SPDX-License-Identifier: MIT
// The local APIC in the kernel. Every run ends with its time slice at the latest.
#include <thread>

#include "tests/vcpu/kvm/apic_guest.h"
#include "vcpu/kvm/host.h"

namespace vtless::kvm {
namespace {

using enum AccessWidth;
namespace reg = x86::apic_register;

constexpr uint32_t kSelf = 1 << 18, kAssert = 1 << 14, kInit = 5 << 8, kStartUp = 6 << 8;

TEST_F(KvmApicGuest, IpiToItselfIsDelivered) {
    install_gate(0x31);
    start({enable(), sti(), apic(reg::ICR_LOW, kSelf | kAssert | 0x31), out(0x81), hlt()});
    expect_handler_between(0x31, VmExit::IoWrite{0x81, Byte, 0});
}

// CPUID.1:ECX shows x2APIC mode: SDM Vol. 3A "Extended XAPIC (x2APIC)" (11.12).
TEST_F(KvmApicGuest, X2ApicModeHasItsMsrs) {
    install_gate(0x32);
    const Code write_msr = {0x0f, 0x30};
    const auto msr = [&](uint32_t index, uint32_t value) {
        Code code = {0x66, 0x31, 0xd2, 0x66, 0xb9};  // xor edx, edx; mov ecx, index; mov eax, value
        for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(index >> (8 * i)));
        code.insert(code.end(), {0x66, 0xb8});
        for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(value >> (8 * i)));
        code.insert(code.end(), write_msr.begin(), write_msr.end());
        return code;
    };
    const Code zero = {0x66, 0x31, 0xc0};  // xor eax, eax
    start({msr(0x1b, kApic | x86::apic_base::BSP | x86::apic_base::ENABLE),
           msr(0x1b, kApic | x86::apic_base::BSP | x86::apic_base::ENABLE | x86::apic_base::EXTD),
           msr(0x80f, 0x1ff), sti(), msr(0x83f, 0x32), zero, out(0x81), hlt()});
    expect_handler_between(0x32, VmExit::IoWrite{0x81, Byte, 0});
}

TEST_F(KvmApicGuest, CpuidShowsTheApicAndWhatItCanDo) {
    start({{0x66, 0xb8, 1, 0, 0, 0, 0x66, 0x31, 0xc9, 0x0f, 0xa2},
           out(0x80)});  // mov eax, 1; xor ecx, ecx; cpuid
    ASSERT_TRUE(run().is<VmExit::IoWrite>());
    EXPECT_NE(gpr(x86::Gpr::RDX) & x86::cpuid::leaf1_edx::APIC, 0u);
    EXPECT_NE(gpr(x86::Gpr::RCX) & x86::cpuid::leaf1_ecx::X2APIC, 0u);
    EXPECT_FALSE(arch().capabilities().halts_exit);
    EXPECT_FALSE(arch().capabilities().local_apic_exits);
}

// A millisecond of the APIC's clock, which KVM lets tick at 1 GHz.
TEST_F(KvmApicGuest, TimerWakesAHaltWithoutAnExit) {
    install_gate(0x33);
    start({enable(), apic(reg::LVT_TIMER, 0x33), apic(reg::DIVIDE_CONFIGURATION, 0xb),
           apic(reg::INITIAL_COUNT, 1'000'000), sti(), hlt(), out(0x81), jump_to_itself()});
    expect_handler(0x33);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, InjectedInterruptIsAMessageToTheApic) {
    install_gate(0x41);
    start({enable(), out(0x80), sti(), hlt(), out(0x81), hlt()});
    expect_out(0x80, Byte, 0);
    ASSERT_TRUE(vcpu_->inject_interrupt(0x41));
    EXPECT_FALSE(arch().has_waiting_events()) << "it waits in the APIC";
    expect_handler(0x41);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, MessageOfAnotherThreadWakesAHalt) {
    install_gate(0x42);
    start({enable(), out(0x80), sti(), hlt(), out(0x81), jump_to_itself()});
    expect_out(0x80, Byte, 0);
    std::thread other([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        const auto sent = vm_->signal_msi(fixed_msi(0, 0x42));
        EXPECT_TRUE(sent) << describe(sent.error());
    });
    expect_handler(0x42);
    other.join();
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, MessageThatNoApicTakesIsRefused) {
    start({out(0x80), hlt()});  // disabled by software, as after RESET
    expect_out(0x80, Byte, 0);
    const char* why =
        "ResourceBusy: no local APIC took vector 65: there is none of this id, or the guest has "
        "it disabled";
    for (const auto& refused : {arch().inject_interrupt(0x41), vm_->signal_msi(fixed_msi(7, 0x41))}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(describe(refused.error()), why);
    }
    const auto vector = arch().inject_interrupt(15);
    ASSERT_FALSE(vector);
    EXPECT_EQ(describe(vector.error()), "InvalidInput: local APICs take vectors from 16 on, not 15");
}

// LVT0 after RESET on the bootstrap processor of KVM is ExtINT, and there is no EOI for the APIC.
TEST_F(KvmApicGuest, ExternalInterruptOfThePicGoesThroughLvt0) {
    install_gate(0x21, false);
    start({enable(), apic(reg::LVT_LINT0, kMasked | kExtInt), sti(), out(0x80), apic(reg::LVT_LINT0, kExtInt),
           out(0x81), out(0x82), hlt()});
    expect_out(0x80, Byte, 0);
    EXPECT_FALSE(arch().can_take_interrupt()) << "masked";
    expect_out(0x81, Byte, 0);
    EXPECT_TRUE(arch().can_take_interrupt());
    ASSERT_TRUE(arch().inject_external_interrupt(0x21));
    EXPECT_FALSE(arch().can_take_interrupt());
    expect_handler(0x21);
    expect_out(0x82, Byte, 0);
}

TEST_F(KvmApicGuest, ExternalInterruptWakesAHalt) {
    install_gate(0x21, false);
    config_.time_slice = std::chrono::milliseconds(50);
    start({enable(), sti(), hlt(), out(0x81), hlt()});
    expect(VmExit::PreemptionTimer{});
    EXPECT_TRUE(*arch().stands_halted());
    EXPECT_TRUE(arch().can_take_interrupt());
    ASSERT_TRUE(arch().inject_external_interrupt(0x21));
    expect_handler(0x21);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, HaltForEverEndsWithTheTimeSliceOrARequest) {
    config_.time_slice = std::chrono::milliseconds(20);
    start({hlt(), out(0x81)});
    expect(VmExit::PreemptionTimer{});
    EXPECT_TRUE(*arch().stands_halted());
    EXPECT_TRUE(*arch().waits_for_others());
    arch().set_time_slice(std::chrono::seconds(5));
    std::thread other([this] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        arch().request_exit();
    });
    expect(VmExit::ExternalInterrupt{0xff});
    other.join();
    EXPECT_EQ(arch().read_state()->rip, kCode + 1);
}

TEST_F(KvmApicGuest, NmiWakesAHaltWithInterruptsOff) {
    install_gate(2, false);
    config_.time_slice = std::chrono::milliseconds(20);
    start({hlt(), out(0x81), hlt()});
    expect(VmExit::PreemptionTimer{});
    ASSERT_TRUE(arch().inject_nmi());
    arch().set_time_slice(std::chrono::seconds(5));
    expect_handler(2);
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, TimerThatRunsIsNoHaltForEver) {
    install_gate(0x33);
    config_.time_slice = std::chrono::milliseconds(20);
    start({enable(), apic(reg::LVT_TIMER, 0x33), apic(reg::DIVIDE_CONFIGURATION, 0xb),
           apic(reg::INITIAL_COUNT, 1'000'000'000), sti(), hlt()});
    expect(VmExit::PreemptionTimer{});
    EXPECT_TRUE(*arch().stands_halted());
    EXPECT_FALSE(*arch().waits_for_others());
}

TEST_F(KvmApicGuest, InjectedExceptionAndANewEntryEndAHalt) {
    install_gate(6, false);
    config_.time_slice = std::chrono::milliseconds(20);
    start({hlt(), out(0x81), hlt(), out(0x82)});
    expect(VmExit::PreemptionTimer{});
    ASSERT_TRUE(arch().inject_exception(x86::Vector::UD));
    arch().set_time_slice(std::chrono::seconds(5));
    expect_handler(6);
    expect_out(0x81, Byte, 0);
    arch().set_time_slice(std::chrono::milliseconds(20));
    expect(VmExit::PreemptionTimer{});
    ASSERT_TRUE(vcpu_->set_entry(Gpa(kCode + 1)));
    expect_out(0x81, Byte, 0);
}

TEST_F(KvmApicGuest, EoiOfALevelTriggeredMessageIsTheHooks) {
    install_gate(0x51);
    std::vector<uint8_t> seen;
    config_.eoi_hook = {
        [](void* context, uint8_t vector) { static_cast<std::vector<uint8_t>*>(context)->push_back(vector); },
        &seen};
    start({enable(), out(0x80), sti(), hlt(), out(0x81), hlt()});
    expect_out(0x80, Byte, 0);
    MsiMessage level = fixed_msi(0, 0x51);
    level.data |= 1 << 15 | kAssert;
    ASSERT_TRUE(vm_->set_ioapic_routes({{5, level}}));
    ASSERT_TRUE(vm_->signal_msi(level));
    // Once in some hundred times a KVM that emulates has ended the interrupt before its handler's OUT.
    const VmExit first = run();
    if (first.is<VmExit::Nothing>() && !host_virtualizes()) {
        expect_handler(0x51);
    } else {
        EXPECT_EQ(first, VmExit(VmExit::IoWrite{0x70, Byte, 0x51}));
        expect(VmExit::Nothing{});
    }
    EXPECT_EQ(seen, std::vector<uint8_t>{0x51});
    expect_out(0x81, Byte, 0);
}

// The start-up IPI's vector 7 is page 7000H, in real mode. SDM Vol. 3A "MP Initialization" (9.4).
TEST_F(KvmApicGuest, SecondVCpuStartsByIpi) {
    memory_.store_bytes(0x7000, {0xb0, 0x77, 0xe6, 0x90, 0xf4});  // mov al, 0x77; out 0x90, al; hlt
    start({enable(), apic(reg::ICR_HIGH, 1 << 24), apic(reg::ICR_LOW, kInit | kAssert),
           apic(reg::ICR_LOW, kStartUp | kAssert | 7), out(0x80), jump_to_itself()});
    std::thread other([this] {
        PhysCpu cpu(1);
        VCpuIdentity identity;
        identity.vcpu_id = 1;
        auto vcpu = VCpu<KvmVCpu>::create(cpu, identity, {vm_.get()});
        ASSERT_TRUE(vcpu) << describe(vcpu.error());
        SetupConfig config = config_;
        config.wait_for_sipi = true;
        ASSERT_TRUE(vcpu->setup(Gpa(kCode), ept_->root(), config));
        ASSERT_TRUE(vcpu->bind());
        started_ = true;
        const auto exit = vcpu->run();
        ASSERT_TRUE(exit) << describe(exit.error());
        EXPECT_EQ(*exit, VmExit(VmExit::IoWrite{0x90, Byte, 0x77}));
    });
    while (!started_) std::this_thread::yield();
    expect_out(0x80, Byte, 0);
    other.join();
}

TEST_F(KvmApicGuest, PageOfTheApicIsNobodyElses) {
    config_.mmio.push_back({Gpa(kApic - 0x1000), 0x1001});
    const auto device = arch().setup(config_);
    ASSERT_FALSE(device);
    EXPECT_EQ(describe(device.error()),
              "Unsupported: the local APICs in the kernel are at guest-physical page 0xfee00000: no device "
              "can be there");
    ASSERT_TRUE(ept_->map({Gpa(kApic), Hpa(0), 4096}));
    const auto memory = arch().set_ept_root(ept_->root());
    ASSERT_FALSE(memory);
    EXPECT_EQ(describe(memory.error()),
              "Unsupported: guest-physical page 0xfee00000: the local APICs in the kernel are there: it "
              "cannot be memory");
}

}  // namespace
}  // namespace vtless::kvm
