// SPDX-License-Identifier: MIT
#include "vcpu/vmx/failure.h"

#include "isa/x86/vmx_controls.h"

namespace vtless::vmx {
namespace {

class Text {
  public:
    Text(char* text, size_t size) : text_(text), size_(size) {}

    Text& operator<<(const char* string) {
        for (; *string != '\0'; ++string) put(*string);
        return *this;
    }
    Text& operator<<(uint32_t number) {
        *this << "0x";
        unsigned shift = 28;
        while (shift != 0 && (number >> shift) == 0) shift -= 4;
        for (;; shift -= 4) {
            put("0123456789abcdef"[(number >> shift) & 0xf]);
            if (shift == 0) return *this;
        }
    }
    size_t finish() {
        if (size_ != 0) text_[length_] = '\0';
        return length_;
    }

  private:
    void put(char c) {
        if (length_ + 1 < size_) text_[length_++] = c;
    }

    char* text_;
    size_t size_;
    size_t length_ = 0;
};

struct ControlName {
    ControlGroup group;
    uint32_t bit;
    const char* name;
};

// The controls that set-up may ask for.
constexpr ControlName kControlNames[] = {
    {ControlGroup::Pin, x86::PinControls::EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting"},
    {ControlGroup::Pin, x86::PinControls::NMI_EXITING, "NMI exiting"},
    {ControlGroup::Pin, x86::PinControls::ACTIVATE_VMX_PREEMPTION_TIMER, "activate VMX-preemption timer"},
    {ControlGroup::Primary, x86::PrimaryControls::INTERRUPT_WINDOW_EXITING, "interrupt-window exiting"},
    {ControlGroup::Primary, x86::PrimaryControls::USE_TSC_OFFSETTING, "use TSC offsetting"},
    {ControlGroup::Primary, x86::PrimaryControls::HLT_EXITING, "HLT exiting"},
    {ControlGroup::Primary, x86::PrimaryControls::CR3_LOAD_EXITING, "CR3-load exiting"},
    {ControlGroup::Primary, x86::PrimaryControls::CR3_STORE_EXITING, "CR3-store exiting"},
    {ControlGroup::Primary, x86::PrimaryControls::USE_IO_BITMAPS, "use I/O bitmaps"},
    {ControlGroup::Primary, x86::PrimaryControls::USE_MSR_BITMAPS, "use MSR bitmaps"},
    {ControlGroup::Primary, x86::PrimaryControls::ACTIVATE_SECONDARY_CONTROLS, "activate secondary controls"},
    {ControlGroup::Secondary, x86::SecondaryControls::VIRTUALIZE_APIC_ACCESSES, "virtualize APIC accesses"},
    {ControlGroup::Secondary, x86::SecondaryControls::ENABLE_EPT, "enable EPT"},
    {ControlGroup::Secondary, x86::SecondaryControls::UNRESTRICTED_GUEST, "unrestricted guest"},
    {ControlGroup::Exit, x86::ExitControls::HOST_ADDRESS_SPACE_SIZE, "host address-space size"},
    {ControlGroup::Exit, x86::ExitControls::ACKNOWLEDGE_INTERRUPT_ON_EXIT, "acknowledge interrupt on exit"},
    {ControlGroup::Exit, x86::ExitControls::SAVE_IA32_EFER, "save IA32_EFER"},
    {ControlGroup::Exit, x86::ExitControls::LOAD_IA32_EFER, "load IA32_EFER (VM exit)"},
    {ControlGroup::Entry, x86::EntryControls::IA32E_MODE_GUEST, "IA-32e mode guest"},
    {ControlGroup::Entry, x86::EntryControls::LOAD_IA32_EFER, "load IA32_EFER (VM entry)"},
};

void list_controls(Text& text, const FailureDetail& detail) {
    constexpr const char* kGroups[] = {"pin-based", "primary", "secondary", "VM-exit", "VM-entry"};
    text << kGroups[detail.subject % 5] << " controls " << detail.value;
    const char* separator = " (";
    for (const ControlName& control : kControlNames) {
        if (static_cast<uint16_t>(control.group) != detail.subject || (detail.value & control.bit) == 0)
            continue;
        text << separator << "\"" << control.name << "\"";
        separator = ", ";
    }
    if (separator[0] == ',') text << ")";
}

void describe_instruction(Text& text, const FailureDetail& detail) {
    constexpr const char* kNames[] = {"VMXON",    "VMXOFF", "VMCLEAR", "VMPTRLD", "VMPTRST",
                                      "VM entry", "INVEPT", "INVVPID", "XSETBV",  "MOV to CR"};
    text << kNames[(detail.subject >> 8) % 10];
    switch (static_cast<x86::VmxStatus::Kind>(detail.subject & 0xff)) {
        case x86::VmxStatus::Kind::FailInvalid:
            text << ": VMfailInvalid";
            break;
        case x86::VmxStatus::Kind::FailValid: {
            const char* why = x86::describe(static_cast<x86::VmInstructionError>(detail.value));
            text << ": VMfailValid " << detail.value << ": " << (why != nullptr ? why : "unknown error");
            break;
        }
        case x86::VmxStatus::Kind::Succeed:
        case x86::VmxStatus::Kind::Fault:
            text << " faulted, error code " << detail.value;
            break;
    }
}

void describe_detail(Text& text, const FailureDetail& detail) {
    switch (detail.what) {
        case Failure::NoVmx:
            text << "the processor has no VMX (CPUID.1:ECX bit 5)";
            return;
        case Failure::VmxeAlreadySet:
            text << "CR4.VMXE is already set: the processor is in use by another hypervisor";
            return;
        case Failure::FeatureControl:
            text << "IA32_FEATURE_CONTROL is locked and does not allow VMX: " << detail.value;
            return;
        case Failure::FixedBits:
            text << "CR" << (detail.subject == 0 ? "0" : "4")
                 << " has bits that VMXON does not allow: " << detail.value;
            return;
        case Failure::VmxBasic:
            text << "IA32_VMX_BASIC bits 63:32 are " << detail.value
                 << ": INS/OUTS information and write-back regions of at most 4 KiB are needed";
            return;
        case Failure::MissingControls:
            text << "the processor lacks ";
            return list_controls(text, detail);
        case Failure::EptCapability:
            text << "IA32_VMX_EPT_VPID_CAP lacks bits " << detail.value << " (4-level walk, write-back)";
            return;
        case Failure::MsrAccess:
            text << "access to MSR " << detail.value << " faulted";
            return;
        case Failure::Instruction:
            return describe_instruction(text, detail);
        case Failure::VmcsAccess: {
            const char* field = x86::name(static_cast<x86::VmcsField>(detail.value));
            text << "the processor refused VMCS field " << (field != nullptr ? field : "?") << ", "
                 << detail.value;
            return;
        }
        case Failure::EntryState:
            text << "the guest's entry state is inconsistent, part " << detail.value;
            return;
        case Failure::NotBound:
            text << "the vCPU is not bound to a processor";
            return;
        case Failure::NothingPending:
            text << "no exit waits for this completion";
            return;
        case Failure::QueueFull:
            text << "the queue holds its maximum of " << detail.value;
            return;
        case Failure::UnmappedFrame:
            text << "host memory cannot map a frame that it allocated";
            return;
    }
    text << "detail " << detail.value;
}

}  // namespace

size_t describe(const VCpuError& error, char* buffer, size_t size) {
    Text text(buffer, size);
    text << name(error.code);
    if (error.detail != 0) {
        text << ": ";
        describe_detail(text, FailureDetail::decode(error.detail));
    }
    return text.finish();
}

}  // namespace vtless::vmx
