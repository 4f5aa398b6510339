// SPDX-License-Identifier: MIT
// Upstream's mistakes, for those who have to show that they find them.
#pragma once

#include "vcpu/vmx/entry_context.h"
#include "vcpu/vmx/exit_context.h"

namespace vtless::policy {

// As x86_vcpu d8b65a2 treats events and exits: one queue for all events, whose front alone is looked at and
// whose rest opens no window; exceptions wait behind interrupts that the guest holds off; events that a VM
// exit has cut short are forgotten; RDMSR and WRMSR leave RIP where it is; what has no handler is Halt.
class Upstream {
  public:
    template <class Context>
    vmx::PolicyAction on_exit(Context& exit) {
        using R = x86::ExitReason;
        switch (exit.reason().basic()) {
            case R::INTERRUPT_WINDOW:
                window_ = false;
                return vmx::PolicyAction::Handled;
            case R::RDMSR:
                exit.return_exit(VmExit::SysRegRead{exit.gpr(x86::Gpr::RCX), 0});
                return vmx::PolicyAction::Return;
            case R::WRMSR:
                exit.return_exit(VmExit::SysRegWrite{
                    exit.gpr(x86::Gpr::RCX),
                    exit.gpr(x86::Gpr::RDX) << 32 | (exit.gpr(x86::Gpr::RAX) & 0xffffffff)});
                return vmx::PolicyAction::Return;
            case R::VMCALL:
            case R::IO_INSTRUCTION:
            case R::EXTERNAL_INTERRUPT:
            case R::PREEMPTION_TIMER:
            case R::XSETBV:
            case R::CONTROL_REGISTER_ACCESS:
            case R::CPUID:
            case R::HLT:
                return vmx::PolicyAction::Pass;
            default:
                exit.return_exit(VmExit::Halt{});
                return vmx::PolicyAction::Return;
        }
    }

    bool queue(const vmx::Event& event) { return events_.push_back(event); }

    template <class Context>
    void prepare_entry(Context& entry) {
        while (const auto raised = entry.take_raised()) (void)events_.push_back(*raised);
        if (!events_.empty()) {
            const vmx::Event front = events_[0];
            const bool exception = front.info.type() == x86::EventType::HARDWARE_EXCEPTION;
            if (exception || entry.readiness().interrupts) {
                entry.inject(front);
                events_.pop_front();
            } else {
                window_ = true;
            }
        }
        entry.set_interrupt_window(window_);
    }

  private:
    vmx::FixedVector<vmx::Event, 64> events_;
    bool window_ = false;
};

}  // namespace vtless::policy
