// SPDX-License-Identifier: MIT
// Code in VMX root operation, and before VMXON: runs on the processor's own engine, its VMX instructions
// reach the same VmxProcessor as the calls of a host in C++. SDM Vol. 3C "VMX Instruction Reference" (31).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/vmx/non_root.h"
#include "sim/vmx/vmx_processor.h"

namespace vtless::sim {

// Why the root code does not go on by itself.
struct RootStop {
    enum class Kind : uint8_t {
        PortAccess,    // IN, OUT, an iteration of INS or OUTS: finish_port_access() makes it done
        Halted,        // HLT, in root operation or in a guest, and nothing is left that could end it
        TripleFault,   // in root operation
        VmxAbort,      // `detail`: the indicator, SDM Vol. 3C "VMX Aborts" (28.7); `what`: why
        NoMemory,      // an access where no memory is, or a store to ROM; `detail`: physical address
        Unsupported,   // `what` is not implemented in root operation
        LimitReached,  // set_limit()
    };

    Kind kind = Kind::Halted;
    bool in_guest = false;  // Halted, LimitReached
    bool in = false;        // PortAccess: IN, INS
    uint8_t bytes = 0;      // PortAccess: 1, 2 or 4
    uint16_t port = 0;
    uint32_t value = 0;  // PortAccess: what OUT or OUTS writes
    uint64_t detail = 0;
    std::string what;
};

// Root operation is run as non-root operation is, with controls under which all that it executes differently
// exits: CPUID, MSRs, ports, VMX instructions. The guests' registers go to their VMCS at each VM exit.
class RootCode {
  public:
    // Resets the processor, which has not been used. memory_map: an EPT pointer that says which physical
    // addresses are RAM and ROM for root code; without it, all of HostMemory is.
    RootCode(VmxProcessor& processor, std::optional<uint64_t> memory_map);

    // Until something has to be done. A stop other than PortAccess and LimitReached is the end.
    const RootStop& run();
    // After PortAccess; value is what IN reads.
    void finish_port_access(uint32_t value);
    // run() stops when the engine has counted so many cycles, in root operation and in guests.
    void set_limit(uint64_t cycles);

    Engine& engine() const { return *processor_.engine_; }
    // VM entries that began to run a guest.
    uint64_t entries() const { return entries_; }

  private:
    enum class Next : uint8_t { Run, Stop };
    using Raw = StoppedInstruction;

    void reset();
    void save_root() const;
    void load_root();
    void set_vmx_rules();

    Next dispatch(const ExitRecord& exit);
    Next stop(RootStop::Kind kind, uint64_t detail = 0);
    Next unsupported(std::string what);
    Next complete(const Raw& instruction);
    Next raise(const Event& event);
    Next raise(x86::Vector vector) { return raise(Event::exception(vector)); }
    Next raise_gp() { return raise(Event::exception(x86::Vector::GP, 0)); }
    Next finish(const Raw& instruction, const CpuResult& result);

    Next cpuid(const Raw& instruction);
    Next rdmsr(const Raw& instruction);
    Next wrmsr(const Raw& instruction);
    Next xsetbv(const Raw& instruction);

    // root_code_io.cc
    Next port_access(const Raw& instruction);
    Next string_access(const Raw& instruction);

    // root_code_tasks.cc
    Next task_switch(const ExitRecord& exit);
    Next finish_task_switch(x86::EventInfo event);
    Next fail_task_switch(x86::EventInfo event, const CpuResult& result);

    // root_code_vmx.cc
    Next vmx_instruction(const Raw& instruction);
    Next conclude(const Raw& instruction, x86::VmxStatus status);
    Next vmcall(const Raw& instruction);
    Next vmxon(const Raw& instruction);
    Next with_region(const Raw& instruction, x86::VmxStatus (VmxProcessor::*operation)(Hpa));
    Next vmptrst(const Raw& instruction);
    Next vmread(const Raw& instruction);
    Next vmwrite(const Raw& instruction);
    Next invept(const Raw& instruction);
    Next invvpid(const Raw& instruction);
    Next enter(const Raw& instruction, bool launch);
    unsigned word_bytes() const { return processor_.engine_->state().code64() ? 8 : 4; }

    VmxProcessor& processor_;
    const std::optional<uint64_t> memory_map_;
    VmxCapabilities rules_;  // what MOV to CR allows: more while outside VMX operation
    NonRoot root_;
    Vmcs controls_{Hpa(0)};
    VmxProcessor::Gprs gprs_;  // the engine's own, which root code and guests share
    RootStop stop_;
    Gva string_at_;  // of the iteration of INS or OUTS whose port is being accessed
    uint64_t limit_ = HostEvents::kNever;
    uint64_t entries_ = 0;
};

}  // namespace vtless::sim
