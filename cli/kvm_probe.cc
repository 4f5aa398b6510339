// SPDX-License-Identifier: MIT
#include "cli/kvm_probe.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "isa/x86/apic_register.h"
#include "isa/x86/exit_reason.h"
#include "sim/mmu/host_memory.h"
#include "vcpu/kvm/failure.h"
#include "vcpu/kvm/host.h"
#include "vcpu/kvm/kvm_vcpu.h"
#include "vcpu/vcpu.h"
#include "vmm/memory/ept_table.h"

namespace vtless::cli {

namespace {

using vmx::GuestEntryState;
using Code = std::vector<uint8_t>;

constexpr uint64_t kRam = 1 << 20;
constexpr uint64_t kCode = 0x1000;
constexpr uint64_t kHandler = 0x2000;
constexpr uint64_t kTables = 0x10000;
constexpr uint64_t kDevice = 0x400000;
constexpr uint16_t kPort = 0x80;
constexpr uint32_t kAnswer = 0x12345678;
constexpr uint8_t kVector = 0x20;
constexpr auto kSlice = std::chrono::milliseconds(500);

// One VM with one vCPU, and nothing shared with the last one.
class Guest {
  public:
    static Result<std::unique_ptr<Guest>> create(const std::string& device,
                                                 kvm::ApicIn local_apics = kvm::ApicIn::UserSpace) {
        auto memory = sim::HostMemory::create(kRam + (1 << 20));
        if (!memory) return fail(VCpuErrc::NoMemory);
        std::unique_ptr<Guest> guest(new Guest(std::move(*memory)));
        if (const auto made = guest->make_vm(device, local_apics); !made) return Unexpected(made.error());
        return guest;
    }

    template <class T>
    void store(uint64_t gpa, T value) {
        std::memcpy(memory_.map(ram_ + gpa), &value, sizeof value);
    }
    void store(uint64_t gpa, const Code& bytes) {
        std::memcpy(memory_.map(ram_ + gpa), bytes.data(), bytes.size());
    }
    Result<void> boot(const GuestEntryState& state, const Code& code,
                      std::chrono::nanoseconds slice = kSlice) {
        store(kCode, code);
        kvm::SetupConfig config;
        config.entry_state = state;
        config.mmio = {{Gpa(kDevice), 0x1000}};
        config.time_slice = slice;
        const auto ready = vcpu_->setup(Gpa(kCode), ept_->root(), config);
        return ready ? vcpu_->bind() : ready;
    }
    Result<VmExit> run() { return vcpu_->run(); }
    kvm::KvmVCpu& arch() { return vcpu_->get_arch_vcpu(); }

  private:
    explicit Guest(sim::HostMemory&& memory) : memory_(std::move(memory)) {}

    Result<void> make_vm(const std::string& device, kvm::ApicIn local_apics) {
        auto ept = vmm::EptTable<sim::HostMemory>::create(memory_);
        if (!ept || !memory_.allocate_frames(kRam / 4096, 4096, ram_)) return fail(VCpuErrc::NoMemory);
        ept_.emplace(std::move(*ept));
        if (!ept_->map({Gpa(0), ram_, kRam})) return fail(VCpuErrc::NoMemory);
        kvm::VmConfig config;
        config.memory = kvm::HostMemoryMap::of(memory_);
        config.device = device;
        config.local_apics = local_apics;
        auto vm = kvm::Vm::create(config);
        if (!vm) return Unexpected(vm.error());
        vm_ = std::move(*vm);
        auto vcpu = VCpu<kvm::KvmVCpu>::create(cpu_, {}, {vm_.get()});
        if (!vcpu) return Unexpected(vcpu.error());
        vcpu_.emplace(std::move(*vcpu));
        return {};
    }

    sim::HostMemory memory_;
    Hpa ram_;
    std::optional<vmm::EptTable<sim::HostMemory>> ept_;
    std::unique_ptr<kvm::Vm> vm_;
    PhysCpu cpu_{0};
    std::optional<VCpu<kvm::KvmVCpu>> vcpu_;
};

GuestEntryState with_paging(uint64_t cr4) {
    GuestEntryState state = GuestEntryState::protected_mode();
    state.cr0 |= x86::cr0::PG;
    state.cr3 = kTables;
    state.cr4 = cr4;
    return state;
}

// Tables that map the first 2 or 4 MiB to themselves.
constexpr uint64_t kTable = 0x3;  // present, writable
constexpr uint64_t kPage = 0x83;  // large, too

GuestEntryState real_mode(Guest&) { return GuestEntryState::real_mode(); }
GuestEntryState protected_mode(Guest&) { return GuestEntryState::protected_mode(); }
GuestEntryState paging_32(Guest& guest) {
    guest.store<uint32_t>(kTables, kPage);
    return with_paging(x86::cr4::PSE);
}
GuestEntryState paging_pae(Guest& guest) {
    guest.store<uint64_t>(kTables, (kTables + 0x1000) | 1);
    guest.store<uint64_t>(kTables + 0x1000, kPage);
    return with_paging(x86::cr4::PAE);
}
GuestEntryState long_mode(Guest& guest) {
    guest.store<uint64_t>(kTables, (kTables + 0x1000) | kTable);
    guest.store<uint64_t>(kTables + 0x1000, (kTables + 0x2000) | kTable);
    guest.store<uint64_t>(kTables + 0x2000, kPage);
    return GuestEntryState::long_mode(kTables);
}
GuestEntryState compatibility_mode(Guest& guest) {
    GuestEntryState state = long_mode(guest);
    state.segment(x86::SegmentRegister::CS) =
        GuestEntryState::protected_mode().segment(x86::SegmentRegister::CS);
    return state;
}

// A loop that never leaves the guest.
Code endless_loop() { return {0x48, 0xff, 0xc1, 0xeb, 0xfb}; }  // inc rcx; jmp
Code port_loop() { return {0xe6, kPort, 0xeb, 0xfc}; }          // out kPort, al; jmp

std::string found(const Result<VmExit>& exit) {
    if (!exit) return kvm::describe(exit.error());
    if (exit->is<VmExit::PreemptionTimer>()) return "hangs: no exit in half a second";
    if (*exit == VmExit(VmExit::Unhandled{static_cast<uint64_t>(x86::ExitReason::TRIPLE_FAULT), 0}))
        return "triple-faults";
    std::string text = std::string("ends with ") + name(exit->kind());
    if (const auto* fail = exit->get_if<VmExit::FailEntry>())
        text += std::string(", ") + fail->explanation->id;
    return text;
}

// Empty if the next exit is this one.
std::string expect(Guest& guest, const VmExit& wanted) {
    const auto exit = guest.run();
    return exit && *exit == wanted ? "" : found(exit);
}

struct Mode {
    const char* name;
    GuestEntryState (*state)(Guest& guest);
    Code code;  // OUT of kAnswer to kPort, HLT; another mode would execute something else
};

const std::vector<Mode>& modes() {
    // In 64-bit mode 0x48 is a prefix, else DEC EAX.
    static const Code code_32 = {0xb8, 0x79, 0x56, 0x34, 0x12, 0x48, 0xe7, kPort, 0xf4};
    static const std::vector<Mode> all = {
        {"real mode", real_mode, {0x66, 0xb8, 0x78, 0x56, 0x34, 0x12, 0x66, 0xe7, kPort, 0xf4}},
        {"protected mode", protected_mode, code_32},
        {"32-bit paging", paging_32, code_32},
        {"PAE paging", paging_pae, code_32},
        {"compatibility mode", compatibility_mode, code_32},
        // mov rax, kAnswer << 32; shr rax, 32; out kPort, eax; hlt
        {"64-bit mode",
         long_mode,
         {0x48, 0xb8, 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12, 0x48, 0xc1, 0xe8, 0x20, 0xe7, kPort, 0xf4}},
    };
    return all;
}

std::string try_mode(Guest& guest, const Mode& mode) {
    if (const auto ready = guest.boot(mode.state(guest), mode.code); !ready)
        return kvm::describe(ready.error());
    std::string wrong = expect(guest, VmExit::IoWrite{kPort, AccessWidth::Dword, kAnswer});
    return wrong.empty() ? expect(guest, VmExit::Halt{}) : wrong;
}

std::string try_device(Guest& guest) {
    const Code code = {0xa1, 0, 0, 0x40, 0, 0xa3, 4, 0, 0x40, 0, 0xf4};  // mov eax, [device]; mov [+4], eax
    if (const auto ready = guest.boot(GuestEntryState::protected_mode(), code); !ready)
        return kvm::describe(ready.error());
    constexpr auto kDword = AccessWidth::Dword;
    if (std::string wrong = expect(guest, VmExit::MmioRead{Gpa(kDevice), kDword, kDword, false, 0});
        !wrong.empty())
        return wrong;
    if (const auto done = guest.arch().complete_mmio_read(kAnswer); !done) return kvm::describe(done.error());
    std::string wrong = expect(guest, VmExit::MmioWrite{Gpa(kDevice + 4), kDword, kAnswer});
    return wrong.empty() ? expect(guest, VmExit::Halt{}) : wrong;
}

std::string try_interrupt(Guest& guest) {
    guest.store<uint16_t>(kVector * uint64_t{4}, kHandler);
    guest.store<uint16_t>(kVector * uint64_t{4} + 2, 0);
    guest.store(kHandler, Code{0xe6, kPort, 0xcf});  // out kPort, al; iret
    GuestEntryState state = GuestEntryState::real_mode();
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = 0x8000;
    if (const auto ready = guest.boot(state, {0xfb, 0xf4, 0xf4}); !ready)  // sti; hlt; hlt
        return kvm::describe(ready.error());
    std::string wrong = expect(guest, VmExit::Halt{});
    if (!wrong.empty()) return wrong;
    if (const auto done = guest.arch().inject_interrupt(kVector); !done) return kvm::describe(done.error());
    wrong = expect(guest, VmExit::IoWrite{kPort, AccessWidth::Byte, 0});
    return wrong.empty() ? expect(guest, VmExit::Halt{}) : wrong;
}

std::string try_msr(Guest& guest) {
    const Code code = {0xb9, 0xfe, 0,    0,    0,
                       0x0f, 0x32, 0xe7, kPort};  // rdmsr of IA32_MTRRCAP; out kPort, eax
    if (const auto ready = guest.boot(GuestEntryState::protected_mode(), code); !ready)
        return kvm::describe(ready.error());
    std::string wrong = expect(guest, VmExit::SysRegRead{0xfe, 0});
    if (!wrong.empty()) return wrong;
    if (const auto done = guest.arch().complete_sysreg_read(kAnswer); !done)
        return kvm::describe(done.error());
    return expect(guest, VmExit::IoWrite{kPort, AccessWidth::Dword, kAnswer});
}

// The timer of the kernel's local APIC wakes a guest from HLT. In real mode, whose DS reaches the APIC.
std::string try_kernel_apic(Guest& guest) {
    namespace reg = x86::apic_register;
    Code code;
    const auto store = [&code](uint32_t offset, uint32_t value) {  // mov dword [offset], value
        code.insert(code.end(), {0x66, 0x67, 0xc7, 0x05});
        for (const uint32_t word : {static_cast<uint32_t>(x86::apic_base::kDefaultAddress) + offset, value})
            for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<uint8_t>(word >> (8 * i)));
    };
    store(reg::SVR, 0x1ff);
    store(reg::LVT_TIMER, kVector);
    store(reg::DIVIDE_CONFIGURATION, 0xb);
    store(reg::INITIAL_COUNT, 1'000'000);
    code.insert(code.end(), {0xfb, 0xf4});  // sti; hlt
    guest.store<uint16_t>(kVector * uint64_t{4}, kHandler);
    guest.store<uint16_t>(kVector * uint64_t{4} + 2, 0);
    guest.store(kHandler, Code{0xe6, kPort});  // out kPort, al
    GuestEntryState state = GuestEntryState::real_mode();
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = 0x8000;
    auto& data = state.segment(x86::SegmentRegister::DS);
    data.limit = 0xffffffff;
    data.rights.raw |= 0x8000;  // the limit counts pages
    if (const auto ready = guest.boot(state, code); !ready) return kvm::describe(ready.error());
    return expect(guest, VmExit::IoWrite{kPort, AccessWidth::Byte, 0});
}

KernelApicProbe probe_kernel_apic(const std::string& device) {
    const auto guest = Guest::create(device, kvm::ApicIn::Kernel);
    if (!guest) return {kvm::describe(guest.error()), ""};
    return {"", try_kernel_apic(**guest)};
}

template <class Try>
std::string in_new_guest(const std::string& device, Try&& attempt) {
    auto guest = Guest::create(device);
    return guest ? attempt(**guest) : kvm::describe(guest.error());
}

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

std::optional<double> measure_mips(const std::string& device) {
    auto guest = Guest::create(device);
    if (!guest || !(*guest)->boot(long_mode(**guest), endless_loop(), std::chrono::milliseconds(50)))
        return std::nullopt;
    const auto start = Clock::now();
    const auto exit = (*guest)->run();
    const double took = microseconds_since(start);
    const auto loops = (*guest)->arch().get_gpr(static_cast<size_t>(x86::Gpr::RCX));
    if (!exit || !exit->is<VmExit::PreemptionTimer>() || !loops) return std::nullopt;
    return 2 * static_cast<double>(*loops) / took;
}

std::optional<double> measure_exit(const std::string& device) {
    constexpr unsigned kExits = 2000;
    auto guest = Guest::create(device);
    if (!guest || !(*guest)->boot(long_mode(**guest), port_loop(), std::chrono::nanoseconds(0)))
        return std::nullopt;
    const auto start = Clock::now();
    unsigned exits = 0;
    for (; exits < kExits && microseconds_since(start) < 200'000; ++exits)
        if (const auto exit = (*guest)->run(); !exit || !exit->is<VmExit::IoWrite>()) return std::nullopt;
    return microseconds_since(start) / exits;
}

// Silicon does hundreds of millions; the emulation of a kernel, a few.
constexpr double kLeastHardwareMips = 50;

}  // namespace

bool KvmReport::works() const {
    if (!unusable.empty()) return false;
    for (const KvmProbe& probe : probes)
        if (!probe.failure.empty()) return false;
    return true;
}

bool KvmReport::measured_hardware() const { return virtualizes && mips && *mips >= kLeastHardwareMips; }

KvmReport probe_kvm(const std::string& device) {
    KvmReport report;
    report.virtualizes = kvm::host_virtualizes();
    if (const auto guest = Guest::create(device); !guest) {
        report.unusable = kvm::describe(guest.error());
        return report;
    }
    for (const Mode& mode : modes()) {
        const auto attempt = [&mode](Guest& guest) { return try_mode(guest, mode); };
        report.probes.push_back({mode.name, in_new_guest(device, attempt)});
    }
    report.probes.push_back({"device memory", in_new_guest(device, try_device)});
    report.probes.push_back({"interrupts", in_new_guest(device, try_interrupt)});
    report.probes.push_back({"exits of MSR accesses", in_new_guest(device, try_msr)});
    report.kernel_apic = probe_kernel_apic(device);
    report.mips = measure_mips(device);
    if (report.works() && report.measured_hardware()) report.exit_microseconds = measure_exit(device);
    return report;
}

}  // namespace vtless::cli
