// SPDX-License-Identifier: MIT
// Runs programs, each in a guest of its own, and prints a line of what came of it.
#include <initializer_list>

#include "samples/hypervisor/descriptor_tables.h"
#include "samples/rom/output.h"
#include "tests/differential/image/guest.h"
#include "tests/differential/layout.h"
#include "tests/differential/parameters.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vmx/vmx_per_cpu.h"

namespace vtless::differential {
namespace {

[[gnu::section(".parameters"), gnu::used]] const volatile Parameters parameters = {};

constexpr unsigned kMostExits = 200;

void put_words(const char* what, std::initializer_list<uint64_t> numbers) {
    rom::put(what);
    for (const uint64_t number : numbers) {
        rom::put(' ');
        rom::put_hex(number);
    }
}

[[noreturn]] void give_up(const char* what, const VCpuError& error) {
    put_words(what, {error.detail});
    rom::put('\n');
    rom::shut_down();
}
void must(const char* what, const Result<void>& result) {
    if (!result) give_up(what, result.error());
}

// What of an exit is not in the guest's registers or memory.
uint64_t digest_of(const VmExit& exit) {
    if (const auto* out = exit.get_if<VmExit::IoWrite>())
        return out->port ^ out->data << 16 ^ uint64_t { bytes(out->width) } << 60;
    if (const auto* in = exit.get_if<VmExit::IoRead>()) return in->port ^ uint64_t { bytes(in->width) } << 60;
    return 0;
}

class Run {
  public:
    Run(Guest& guest, const Program& program) : guest_(guest), program_(program) {}

    void until_end() {
        while (exits_ < kMostExits && step()) {
        }
    }
    void print() {
        put_words("|", {exits_, digest_, end_[0], end_[1], end_[2]});
        put_words(" |", {backend().read_field(x86::VmcsField::GUEST_RIP),
                         backend().read_field(x86::VmcsField::GUEST_RFLAGS)});
        rom::put(" |");
        for (unsigned i = 0; i < x86::kGprCount; ++i) put_words("", {*backend().get_gpr(i)});
    }

  private:
    Backend& backend() { return guest_.get_arch_vcpu(); }

    bool step() {
        const Result<VmExit> result = guest_.run();
        if (!result) give_up("run", result.error());
        const VmExit& exit = *result;
        ++exits_;
        digest_ = (digest_ + static_cast<uint64_t>(exit.kind()) + digest_of(exit)) * 0x100000001b3;
        end_[0] = static_cast<uint64_t>(exit.kind());
        if (exit.is<VmExit::IoRead>()) must("in", backend().complete_io_read(kDeviceAnswer));
        if (exit.is<VmExit::SysRegRead>() || exit.is<VmExit::SysRegWrite>())
            must("msr", backend().fail_sysreg_access());
        if (const auto* unhandled = exit.get_if<VmExit::Unhandled>())
            end_[1] = unhandled->raw, end_[2] = unhandled->qualification;
        if (const auto* fault = exit.get_if<VmExit::NestedPageFault>()) end_[1] = fault->addr.value();
        return !is_end(exit);
    }
    bool is_end(const VmExit& exit) {
        if (exit.is<VmExit::IoWrite>())
            return backend().read_field(x86::VmcsField::GUEST_RIP) == program_.last_address();
        return exit.is<VmExit::Unhandled>() || exit.is<VmExit::NestedPageFault>() ||
               exit.is<VmExit::FailEntry>();
    }

    Guest& guest_;
    const Program& program_;
    uint64_t exits_ = 0;
    uint64_t digest_ = 0;
    uint64_t end_[3] = {};  // kind of the last exit, and what it says
};

Program program_of(Mode mode, uint64_t seed) {
    if (parameters.code_bytes == 0) return {mode, seed, parameters.kept};
    uint8_t code[Parameters::kMostCode];
    const uint64_t bytes = parameters.code_bytes < sizeof code ? parameters.code_bytes : sizeof code;
    for (uint64_t i = 0; i < bytes; ++i) code[i] = parameters.code[i];
    return {mode, {code, bytes}};
}

void run_program(Hardware& hardware, hypervisor::GuestMemory& memory, Mode mode, uint64_t seed) {
    const Program program = program_of(mode, seed);
    fill_memory(memory.at(Gpa(0)), program, mode, seed);
    PhysCpu cpu(0);
    auto guest = Guest::create(cpu, {}, {&hardware});
    if (!guest) give_up("create", guest.error());
    must("setup", guest->setup(Gpa(layout::kCode), memory.ept_root(), setup_of(mode, seed)));
    must("bind", guest->bind());
    Run run(*guest, program);
    run.until_end();
    rom::put_hex(seed);
    run.print();
    const auto [stack, data, tables] = hashes_of(memory.at(Gpa(0)));
    put_words(" |", {stack, data, tables});
    rom::put('\n');
    must("unbind", guest->unbind());
}

void run_all() {
    hypervisor::FrameAllocator frames;
    Hardware hardware(frames);
    PerCpu<vmx::VmxPerCpu<Hardware>> per_cpu;
    must("init", per_cpu.init(0, {&hardware}));
    must("VMXON", per_cpu.hardware_enable());
    hypervisor::GuestMemory memory(frames);
    for (uint64_t i = 0; i < parameters.count; ++i)
        run_program(hardware, memory, static_cast<Mode>(parameters.mode), parameters.first_seed + i);
    must("VMXOFF", per_cpu.hardware_disable());
}

}  // namespace
}  // namespace vtless::differential

extern "C" [[noreturn]] void main_64() {
    hypervisor::load_descriptor_tables();
    vtless::differential::run_all();
    rom::put("end\n");
    rom::shut_down();
}
