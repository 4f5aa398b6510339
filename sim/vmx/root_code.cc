// SPDX-License-Identifier: MIT
#include "sim/vmx/root_code.h"

#include "isa/bits.h"
#include "sim/cpu/control_registers.h"
#include "sim/cpu/operand.h"

namespace vtless::sim {

using x86::ExitReason;
using x86::Gpr;
using x86::Msr;
using x86::SegmentRegister;
using x86::VmxStatus;
using F = x86::VmcsField;
using Kind = RootStop::Kind;

namespace {

uint64_t low32(const Engine& engine, Gpr gpr) { return engine.gpr(gpr) & 0xffffffff; }
uint64_t edx_eax(const Engine& engine) { return low32(engine, Gpr::RAX) | low32(engine, Gpr::RDX) << 32; }

void set_edx_eax(Engine& engine, uint64_t value) {
    engine.set_gpr(Gpr::RAX, value & 0xffffffff);
    engine.set_gpr(Gpr::RDX, value >> 32);
}

}  // namespace

RootCode::RootCode(VmxProcessor& processor, std::optional<uint64_t> memory_map)
    : processor_(processor),
      memory_map_(memory_map),
      rules_(processor.capabilities_),
      root_({*processor.engine_, *processor.mmu_, *processor.memory_, processor.root_, processor.msrs_,
             processor.events_, processor.guest_, rules_, processor.operation_}) {
    using P = x86::PrimaryControls;
    controls_.set(F::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
                  P::UNCONDITIONAL_IO_EXITING | P::ACTIVATE_SECONDARY_CONTROLS);
    controls_.set(F::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, x86::SecondaryControls::ENABLE_RDTSCP);
    processor_.gprs_.enter(gprs_);
    processor_.operation_.set_feature_control(0);
    reset();
}

// SDM Vol. 3A "Processor State After Reset" (10.1.1).
void RootCode::reset() {
    CpuState& cpu = engine().edit_state();
    const auto real_mode = [](uint16_t selector, uint64_t base, uint32_t rights) -> x86::Segment {
        return {selector, base, 0xffff, {rights}};
    };
    for (const SegmentRegister data : {SegmentRegister::ES, SegmentRegister::SS, SegmentRegister::DS,
                                       SegmentRegister::FS, SegmentRegister::GS})
        cpu.set_segment(data, real_mode(0, 0, 0x93));
    cpu.set_segment(SegmentRegister::CS, real_mode(0xf000, 0xffff0000, 0x9b));
    cpu.set_segment(SegmentRegister::LDTR, real_mode(0, 0, 0x82));
    cpu.set_segment(SegmentRegister::TR, real_mode(0, 0, 0x8b));
    cpu.set_gdtr({0, 0xffff});
    cpu.set_idtr({0, 0xffff});
    cpu.set_cr0(x86::cr0::NW | x86::cr0::CD | x86::cr0::ET);
    cpu.set_cr2(0);
    cpu.set_cr3(0);
    cpu.set_cr4(0);
    cpu.set_efer(0);
    cpu.set_rflags(x86::rflags::kFixed1);
    cpu.set_cpl(0);
    for (size_t i = 0; i < x86::kGprCount; ++i) cpu.set_gpr(static_cast<Gpr>(i), 0);
    cpu.set_gpr(Gpr::RDX, processor_.capabilities_.cpuid.signature);
    cpu.set_rip(0xfff0);
    RootState& root = processor_.root_;
    root.debugctl = root.cr8 = root.tsc_offset = 0;
    processor_.mmu_->set_ept(memory_map_);
    processor_.mmu_->set_paging(paging_state(cpu, *processor_.mmu_));
    processor_.mmu_->flush_all();
    set_vmx_rules();
}

// Outside VMX operation the fixed bits are free. SDM Vol. 3C "Restrictions on VMX Operation" (24.8).
void RootCode::set_vmx_rules() {
    const VmxCapabilities& can = processor_.capabilities_;
    const bool on = processor_.operation_.on();
    rules_.cr0_fixed0 = on ? can.cr0_fixed0 : 0;
    rules_.cr0_fixed1 = on ? can.cr0_fixed1 : ~uint64_t{0};
    rules_.cr4_fixed0 = on ? can.cr4_fixed0 : 0;
}

// For what of the processor looks at root operation's registers: VMXON, CPUID, the checks on host state.
void RootCode::save_root() const {
    const CpuState& cpu = engine().state();
    RootState& root = processor_.root_;
    root.cr0 = cpu.cr0();
    root.cr3 = cpu.cr3();
    root.cr4 = cpu.cr4();
    root.efer = cpu.efer();
    root.rip = cpu.rip();
    root.rsp = cpu.gpr(Gpr::RSP);
    root.rflags = cpu.rflags();
    root.sysenter_cs = cpu.sysenter_cs();
    root.sysenter_esp = cpu.sysenter_esp();
    root.sysenter_eip = cpu.sysenter_eip();
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i)
        root.segments[i] = cpu.segment(static_cast<SegmentRegister>(i));
    root.gdtr = cpu.gdtr();
    root.idtr = cpu.idtr();
    processor_.host_from_ = nullptr;
}

// After a VM exit, or an entry that failed late: the host state, as the processor has loaded it.
void RootCode::load_root() {
    const RootState& root = processor_.root_;
    CpuState& cpu = engine().edit_state();
    cpu.set_cr0(root.cr0);
    cpu.set_cr3(root.cr3);
    cpu.set_cr4(root.cr4);
    cpu.set_efer(root.efer);
    cpu.set_rip(root.rip);
    cpu.set_gpr(Gpr::RSP, root.rsp);
    cpu.set_rflags(root.rflags);
    cpu.set_cpl(0);
    cpu.set_sysenter_cs(root.sysenter_cs);
    cpu.set_sysenter_esp(root.sysenter_esp);
    cpu.set_sysenter_eip(root.sysenter_eip);
    for (unsigned i = 0; i < x86::kSegmentRegisterCount; ++i)
        cpu.set_segment(static_cast<SegmentRegister>(i), root.segments[i]);
    cpu.set_gdtr(root.gdtr);
    cpu.set_idtr(root.idtr);
    engine().set_shadow(Shadow::None);
    processor_.guest_.set_resume_flag(false);
    if (StrictTlb* strict = processor_.mmu_->strict()) strict->select_vpid(0, Hpa());
    processor_.mmu_->set_ept(memory_map_);
    processor_.mmu_->set_modification_log({});
    processor_.mmu_->set_apic_access_page(std::nullopt);
    processor_.mmu_->set_paging(paging_state(cpu, *processor_.mmu_));
    processor_.mmu_->flush_all();
    root_.state() = {};
}

void RootCode::set_limit(uint64_t cycles) {
    limit_ = cycles;
    processor_.events_.request_exit_at(cycles);
}

const RootStop& RootCode::run() {
    stop_ = {};
    for (Next next = Next::Run; next == Next::Run;) {
        const ExitRecord& exit = root_.run(controls_);
        controls_.set(F::VM_ENTRY_INTERRUPTION_INFORMATION, 0);
        save_root();
        next = dispatch(exit);
    }
    return stop_;
}

RootCode::Next RootCode::dispatch(const ExitRecord& exit) {
    const Raw instruction = engine().instruction();
    switch (static_cast<ExitReason>(exit.reason)) {
        case ExitReason::CPUID:
            return cpuid(instruction);
        case ExitReason::INVD:
            return complete(instruction);
        case ExitReason::XSETBV:
            return xsetbv(instruction);
        case ExitReason::RDMSR:
            return rdmsr(instruction);
        case ExitReason::WRMSR:
            return wrmsr(instruction);
        case ExitReason::IO_INSTRUCTION:
            return port_access(instruction);
        case ExitReason::TRIPLE_FAULT:
            return stop(Kind::TripleFault);
        case ExitReason::INIT_SIGNAL:
            return stop(processor_.stalled() ? Kind::Halted : Kind::LimitReached);
        case ExitReason::EPT_VIOLATION:
        case ExitReason::EPT_MISCONFIGURATION:
            return stop(Kind::NoMemory, exit.guest_physical);
        case ExitReason::TASK_SWITCH:
            return task_switch(exit);
        default:
            return vmx_instruction(instruction);
    }
}

RootCode::Next RootCode::stop(Kind kind, uint64_t detail) {
    stop_.kind = kind;
    stop_.detail = detail;
    return Next::Stop;
}

RootCode::Next RootCode::unsupported(std::string what) {
    stop_.what = std::move(what);
    return stop(Kind::Unsupported);
}

RootCode::Next RootCode::complete(const Raw& instruction) {
    root_.complete(instruction);
    return Next::Run;
}

// Delivered by the next run as VM entry injects: no exception bitmap of anybody applies.
RootCode::Next RootCode::raise(const Event& event) {
    const auto info = x86::EventInfo::make(event.type, event.vector, event.has_error_code);
    controls_.set(F::VM_ENTRY_INTERRUPTION_INFORMATION, info.raw);
    controls_.set(F::VM_ENTRY_EXCEPTION_ERROR_CODE, event.error_code);
    return Next::Run;
}

// Of an operand's access, or of an instruction of sim/cpu whose RIP is still to be moved.
RootCode::Next RootCode::finish(const Raw& instruction, const CpuResult& result) {
    switch (result.kind) {
        case CpuResult::Kind::Done:
            return complete(instruction);
        case CpuResult::Kind::Fault:
            if (result.event.vector == static_cast<uint8_t>(x86::Vector::PF))
                engine().edit_state().set_cr2(result.cr2);
            return raise(result.event);
        case CpuResult::Kind::MmuExit:
            return stop(Kind::NoMemory, result.mmu.gpa.value());
        case CpuResult::Kind::TaskSwitch:  // of far transfers and IRET, which NonRoot carries out
            break;
    }
    return Next::Run;
}

RootCode::Next RootCode::cpuid(const Raw& instruction) {
    const x86::CpuidResult result = processor_.cpuid(static_cast<uint32_t>(engine().gpr(Gpr::RAX)),
                                                     static_cast<uint32_t>(engine().gpr(Gpr::RCX)));
    engine().set_gpr(Gpr::RAX, result.eax);
    engine().set_gpr(Gpr::RBX, result.ebx);
    engine().set_gpr(Gpr::RCX, result.ecx);
    engine().set_gpr(Gpr::RDX, result.edx);
    return complete(instruction);
}

// The engine holds the registers of whoever runs, as it does for a guest.
RootCode::Next RootCode::rdmsr(const Raw& instruction) {
    const auto msr = static_cast<Msr>(low32(engine(), Gpr::RCX));
    uint64_t value = processor_.operation_.feature_control();
    if (msr != Msr::IA32_FEATURE_CONTROL && !processor_.msrs_.read(msr, World::Guest, value))
        return raise_gp();
    set_edx_eax(engine(), value);
    return complete(instruction);
}

// IA32_FEATURE_CONTROL is firmware's to lock, and here the image is the firmware.
RootCode::Next RootCode::wrmsr(const Raw& instruction) {
    namespace control = x86::feature_control;
    const auto msr = static_cast<Msr>(low32(engine(), Gpr::RCX));
    const uint64_t value = edx_eax(engine());
    if (msr == Msr::IA32_EFER)
        return finish(instruction, write_efer(engine().edit_state(), *processor_.mmu_, value,
                                              processor_.capabilities_.guest_features));
    if (msr == Msr::IA32_FEATURE_CONTROL) {
        const bool locked = (processor_.operation_.feature_control() & control::LOCK) != 0;
        if (locked || (value & ~(control::LOCK | control::VMX_OUTSIDE_SMX)) != 0) return raise_gp();
        processor_.operation_.set_feature_control(value);
        return complete(instruction);
    }
    return processor_.msrs_.write(msr, World::Guest, value) ? complete(instruction) : raise_gp();
}

RootCode::Next RootCode::xsetbv(const Raw& instruction) {
    const auto index = static_cast<uint32_t>(engine().gpr(Gpr::RCX));
    const VmxStatus status = processor_.xsetbv(index, edx_eax(engine()));
    return status.ok() ? complete(instruction) : raise_gp();
}

}  // namespace vtless::sim
