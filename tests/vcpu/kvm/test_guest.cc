// SPDX-License-Identifier: MIT
#include "tests/vcpu/kvm/test_guest.h"

#include "isa/x86/exit_reason.h"

namespace vtless::kvm {

namespace {

std::string text(const VmExit& exit) {
    std::string kind = name(exit.kind());
    if (const auto* io = exit.get_if<VmExit::IoWrite>())
        return kind + " port " + std::to_string(io->port) + " data " + std::to_string(io->data);
    if (const auto* mmio = exit.get_if<VmExit::MmioWrite>())
        return kind + " at " + std::to_string(mmio->addr.value()) + " data " + std::to_string(mmio->data);
    if (const auto* fail = exit.get_if<VmExit::FailEntry>())
        return kind + " " + (fail->explanation != nullptr ? fail->explanation->id : "");
    if (const auto* raw = exit.get_if<VmExit::Unhandled>()) return kind + " " + std::to_string(raw->raw);
    return kind;
}

}  // namespace

void KvmGuest::SetUp() {
    vm_config_.memory = HostMemoryMap::of(memory_);
    auto vm = Vm::create(vm_config_);
    if (!vm) {
        ASSERT_EQ(vm.error().code, VCpuErrc::Unsupported) << describe(vm.error());
        GTEST_SKIP() << "KVM cannot be used here: " << describe(vm.error());
    }
    vm_ = std::move(*vm);
    auto ept = vmm::EptTable<TestMemory>::create(memory_);
    ASSERT_TRUE(ept);
    ept_.emplace(std::move(*ept));
    ASSERT_TRUE(ept_->map({Gpa(0), Hpa(0), kRam}));
    ASSERT_TRUE(ept_->map({Gpa(kRom), Hpa(kRam), 4096, x86::ept::READ | x86::ept::EXECUTE}));
    config_.mmio = {{Gpa(kDevice), 0x1000}, {Gpa(kRom), 0x1000}};
    config_.time_slice = std::chrono::seconds(5);
    auto vcpu = VCpu<KvmVCpu>::create(cpu_, {}, {vm_.get()});
    ASSERT_TRUE(vcpu) << describe(vcpu.error());
    vcpu_.emplace(std::move(*vcpu));
    ASSERT_STREQ(arch().capabilities().backend, "kvm");
}

vmx::GuestEntryState KvmGuest::real_mode() const {
    auto state = vmx::GuestEntryState::real_mode();
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = kStack;
    return state;
}

vmx::GuestEntryState KvmGuest::protected_mode() const {
    auto state = vmx::GuestEntryState::protected_mode();
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = kStack;
    return state;
}

vmx::GuestEntryState KvmGuest::long_mode() {
    constexpr uint64_t kTable = 0x3;  // present, writable
    constexpr uint64_t kLargePage = 0x83;
    memory_.store<uint64_t>(kPageTables, (kPageTables + 0x1000) | kTable);
    memory_.store<uint64_t>(kPageTables + 0x1000, (kPageTables + 0x2000) | kTable);
    for (uint64_t i = 0; i < 512; ++i)
        memory_.store<uint64_t>(kPageTables + 0x2000 + i * 8, i << 21 | kLargePage);
    auto state = vmx::GuestEntryState::long_mode(kPageTables);
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = kStack;
    return state;
}

void KvmGuest::install_handler(uint8_t vector) {
    const uint64_t handler = kHandlers + vector * uint64_t{16};
    memory_.store<uint16_t>(vector * uint64_t{4}, static_cast<uint16_t>(handler));
    memory_.store<uint16_t>(vector * uint64_t{4} + 2, 0);
    // push ax; mov al, vector; out 0x70, al; pop ax; iret
    memory_.store_bytes(handler, {0x50, 0xb0, vector, 0xe6, 0x70, 0x58, 0xcf});
}

void KvmGuest::boot(const vmx::GuestEntryState& state, std::initializer_list<uint8_t> code) {
    memory_.store_bytes(kCode, code);
    config_.entry_state = state;
    const auto ready = vcpu_->setup(Gpa(kCode), ept_->root(), config_);
    ASSERT_TRUE(ready) << describe(ready.error());
    const auto bound = vcpu_->bind();
    ASSERT_TRUE(bound) << describe(bound.error());
}

VmExit KvmGuest::run() {
    const auto exit = vcpu_->run();
    if (exit) return *exit;
    ADD_FAILURE() << describe(exit.error());
    return VmExit::SystemDown{};
}

void KvmGuest::expect(const VmExit& exit, int line) {
    const VmExit actual = run();
    EXPECT_TRUE(actual == exit) << "line " << line << ": " << text(actual) << " instead of " << text(exit);
}

void KvmGuest::expect_handler_between(uint8_t vector, const VmExit& exit, int line) {
    const VmExit handler = VmExit::IoWrite{0x70, AccessWidth::Byte, vector};
    VmExit first = run();
    while (first.is<VmExit::Nothing>()) first = run();
    const bool late = first == exit && !arch().capabilities().interrupt_windows;
    EXPECT_TRUE(first == handler || late) << "line " << line << ": " << text(first);
    expect(late ? handler : exit, line);
}

}  // namespace vtless::kvm
