// SPDX-License-Identifier: MIT
// A hypervisor in ring 0, with nothing below it: VCpu and VmxVCpu on the processor's own instructions. It
// starts from the reset vector, runs one guest, and prints each of its exits.
#include "samples/hypervisor/descriptor_tables.h"
#include "samples/hypervisor/memory.h"
#include "samples/hypervisor/monitor.h"
#include "samples/rom/output.h"
#include "vcpu/per_cpu.h"
#include "vcpu/vmx/native.h"
#include "vcpu/vmx/vmx_per_cpu.h"

namespace hypervisor {
namespace {

using vtless::Result;

extern "C" const uint8_t guest[], guest_end[];

// Ends with a word of it if something failed.
template <class T>
T must(const char* what, Result<T> result) {
    if (!result) {
        rom::put(what);
        rom::put(": ");
        rom::put(vtless::name(result.error().code));
        rom::put(' ');
        rom::put_hex(result.error().detail);
        rom::put('\n');
        rom::shut_down();
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void run_guest(Hardware& hardware, FrameAllocator& frames) {
    GuestMemory memory(frames);
    __builtin_memcpy(memory.at(kGuestEntry), guest, static_cast<size_t>(guest_end - guest));
    vtless::PhysCpu cpu(0);
    Guest vcpu = must("create", Guest::create(cpu, {}, {&hardware}));
    must("setup", vcpu.setup(kGuestEntry, memory.ept_root(), guest_setup()));
    must("bind", vcpu.bind());
    Monitor(vcpu, memory).run();
    must("unbind", vcpu.unbind());
}

}  // namespace
}  // namespace hypervisor

extern "C" [[noreturn]] void main_64() {
    using namespace hypervisor;
    load_descriptor_tables();
    FrameAllocator frames;
    Hardware hardware(frames);
    vtless::PerCpu<vtless::vmx::VmxPerCpu<Hardware>> per_cpu;
    must("init", per_cpu.init(0, {&hardware}));
    must("hardware_enable", per_cpu.hardware_enable());
    run_guest(hardware, frames);
    must("hardware_disable", per_cpu.hardware_disable());
    rom::put("end\n");
    rom::shut_down();
}
