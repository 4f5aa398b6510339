// SPDX-License-Identifier: MIT
// VmExit: why A::run returned. AxVCpu 0.3's 16 exit reasons with its field names, the successor's preemption
// timer, and Unhandled for what a backend does not understand (never Halt).
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "isa/addr.h"
#include "isa/check.h"
#include "isa/entry_explanation.h"

namespace vtless {

enum class AccessWidth : uint8_t { Byte = 1, Word = 2, Dword = 4, Qword = 8 };
constexpr unsigned bytes(AccessWidth width) { return static_cast<unsigned>(width); }

// What an access wanted to do.
struct AccessFlags {
    bool read = false;
    bool write = false;
    bool execute = false;
    friend constexpr bool operator==(const AccessFlags&, const AccessFlags&) = default;
};

enum class ExitKind : uint8_t {
    Hypercall,
    MmioRead,
    MmioWrite,
    SysRegRead,
    SysRegWrite,
    IoRead,
    IoWrite,
    ExternalInterrupt,
    NestedPageFault,
    Halt,
    CpuUp,
    CpuDown,
    SystemDown,
    Nothing,
    FailEntry,
    SendIPI,
    PreemptionTimer,
    Unhandled,
};
inline constexpr size_t kExitKinds = 18;
inline const char* name(ExitKind kind);

template <class T>
concept ExitPayload = requires {
    { T::kKind } -> std::convertible_to<ExitKind>;
}
&&std::is_trivially_copyable_v<T> && sizeof(T) <= 56 && alignof(T) <= 8;

// A tagged union of 64 bytes, trivially copyable: no std::variant, whose failures need exceptions or abort.
class VmExit {
  public:
    struct Hypercall {  // nr and args as the architecture's hypercall ABI passes them
        static constexpr ExitKind kKind = ExitKind::Hypercall;
        uint64_t nr = 0;
        std::array<uint64_t, 6> args{};
        friend constexpr bool operator==(const Hypercall&, const Hypercall&) = default;
    };
    struct MmioRead {  // reg: index of the register to fill, zero- or sign-extended to reg_width
        static constexpr ExitKind kKind = ExitKind::MmioRead;
        Gpa addr;
        AccessWidth width = AccessWidth::Byte;
        AccessWidth reg_width = AccessWidth::Byte;
        bool signed_ext = false;
        uint64_t reg = 0;
        friend constexpr bool operator==(const MmioRead&, const MmioRead&) = default;
    };
    struct MmioWrite {
        static constexpr ExitKind kKind = ExitKind::MmioWrite;
        Gpa addr;
        AccessWidth width = AccessWidth::Byte;
        uint64_t data = 0;
        friend constexpr bool operator==(const MmioWrite&, const MmioWrite&) = default;
    };
    struct SysRegRead {  // x86: addr is the MSR, the value goes to EDX:EAX and reg is unused
        static constexpr ExitKind kKind = ExitKind::SysRegRead;
        uint64_t addr = 0;
        uint64_t reg = 0;
        friend constexpr bool operator==(const SysRegRead&, const SysRegRead&) = default;
    };
    struct SysRegWrite {
        static constexpr ExitKind kKind = ExitKind::SysRegWrite;
        uint64_t addr = 0;
        uint64_t value = 0;
        friend constexpr bool operator==(const SysRegWrite&, const SysRegWrite&) = default;
    };
    struct IoRead {  // into AL, AX or EAX
        static constexpr ExitKind kKind = ExitKind::IoRead;
        uint16_t port = 0;
        AccessWidth width = AccessWidth::Byte;
        friend constexpr bool operator==(const IoRead&, const IoRead&) = default;
    };
    struct IoWrite {
        static constexpr ExitKind kKind = ExitKind::IoWrite;
        uint16_t port = 0;
        AccessWidth width = AccessWidth::Byte;
        uint64_t data = 0;
        friend constexpr bool operator==(const IoWrite&, const IoWrite&) = default;
    };
    struct ExternalInterrupt {
        static constexpr ExitKind kKind = ExitKind::ExternalInterrupt;
        uint64_t vector = 0;
        friend constexpr bool operator==(const ExternalInterrupt&, const ExternalInterrupt&) = default;
    };
    struct NestedPageFault {  // EPT violation
        static constexpr ExitKind kKind = ExitKind::NestedPageFault;
        Gpa addr;
        AccessFlags access_flags;
        friend constexpr bool operator==(const NestedPageFault&, const NestedPageFault&) = default;
    };
    struct Halt {
        static constexpr ExitKind kKind = ExitKind::Halt;
        friend constexpr bool operator==(const Halt&, const Halt&) = default;
    };
    struct CpuUp {  // x86: target_cpu is an APIC id, arg is unused
        static constexpr ExitKind kKind = ExitKind::CpuUp;
        uint64_t target_cpu = 0;
        Gpa entry_point;
        uint64_t arg = 0;
        friend constexpr bool operator==(const CpuUp&, const CpuUp&) = default;
    };
    struct CpuDown {
        static constexpr ExitKind kKind = ExitKind::CpuDown;
        uint64_t state = 0;
        friend constexpr bool operator==(const CpuDown&, const CpuDown&) = default;
    };
    struct SystemDown {
        static constexpr ExitKind kKind = ExitKind::SystemDown;
        friend constexpr bool operator==(const SystemDown&, const SystemDown&) = default;
    };
    struct Nothing {  // the backend handled the exit; the caller may look at devices and interrupts
        static constexpr ExitKind kKind = ExitKind::Nothing;
        friend constexpr bool operator==(const Nothing&, const Nothing&) = default;
    };
    struct FailEntry {  // the processor refused the guest's state
        static constexpr ExitKind kKind = ExitKind::FailEntry;
        uint64_t hardware_entry_failure_reason = 0;
        // Why, where the processor can say: good until the next run(). No part of the exit's identity.
        const EntryExplanation* explanation = nullptr;
        friend constexpr bool operator==(const FailEntry& a, const FailEntry& b) {
            return a.hardware_entry_failure_reason == b.hardware_entry_failure_reason;
        }
    };
    struct SendIPI {  // target_cpu is meaningless if one of the flags is set
        static constexpr ExitKind kKind = ExitKind::SendIPI;
        uint64_t target_cpu = 0;
        uint64_t target_cpu_aux = 0;
        bool send_to_all = false;  // all but the sender
        bool send_to_self = false;
        uint64_t vector = 0;
        friend constexpr bool operator==(const SendIPI&, const SendIPI&) = default;
    };
    struct PreemptionTimer {  // the time slice given to the guest is used up
        static constexpr ExitKind kKind = ExitKind::PreemptionTimer;
        friend constexpr bool operator==(const PreemptionTimer&, const PreemptionTimer&) = default;
    };
    struct Unhandled {  // raw: the hardware's exit reason as it stands, with its qualification
        static constexpr ExitKind kKind = ExitKind::Unhandled;
        uint64_t raw = 0;
        uint64_t qualification = 0;
        friend constexpr bool operator==(const Unhandled&, const Unhandled&) = default;
    };

    template <ExitPayload T>
    VmExit(const T& payload) : kind_(T::kKind) {
        ::new (static_cast<void*>(storage_)) T(payload);
    }

    ExitKind kind() const { return kind_; }

    template <ExitPayload T>
    bool is() const {
        return kind_ == T::kKind;
    }
    template <ExitPayload T>
    const T* get_if() const {
        return is<T>() ? std::launder(reinterpret_cast<const T*>(storage_)) : nullptr;
    }
    template <ExitPayload T>
    T* get_if() {
        return is<T>() ? std::launder(reinterpret_cast<T*>(storage_)) : nullptr;
    }
    // T must be the kind.
    template <ExitPayload T>
    const T& get() const {
        VTLESS_CHECK(is<T>());
        return *std::launder(reinterpret_cast<const T*>(storage_));
    }

    // Calls f with the payload; f must accept every kind and always return the same type.
    template <class F>
    decltype(auto) visit(F&& f) const;

    friend bool operator==(const VmExit& a, const VmExit& b);

  private:
    alignas(8) std::byte storage_[56];
    ExitKind kind_;
};
static_assert(sizeof(VmExit) == 64);
static_assert(std::is_trivially_copyable_v<VmExit>);

template <class F>
decltype(auto) VmExit::visit(F&& f) const {
    switch (kind_) {
        case ExitKind::Hypercall:
            return f(get<Hypercall>());
        case ExitKind::MmioRead:
            return f(get<MmioRead>());
        case ExitKind::MmioWrite:
            return f(get<MmioWrite>());
        case ExitKind::SysRegRead:
            return f(get<SysRegRead>());
        case ExitKind::SysRegWrite:
            return f(get<SysRegWrite>());
        case ExitKind::IoRead:
            return f(get<IoRead>());
        case ExitKind::IoWrite:
            return f(get<IoWrite>());
        case ExitKind::ExternalInterrupt:
            return f(get<ExternalInterrupt>());
        case ExitKind::NestedPageFault:
            return f(get<NestedPageFault>());
        case ExitKind::Halt:
            return f(get<Halt>());
        case ExitKind::CpuUp:
            return f(get<CpuUp>());
        case ExitKind::CpuDown:
            return f(get<CpuDown>());
        case ExitKind::SystemDown:
            return f(get<SystemDown>());
        case ExitKind::Nothing:
            return f(get<Nothing>());
        case ExitKind::FailEntry:
            return f(get<FailEntry>());
        case ExitKind::SendIPI:
            return f(get<SendIPI>());
        case ExitKind::PreemptionTimer:
            return f(get<PreemptionTimer>());
        case ExitKind::Unhandled:
            return f(get<Unhandled>());
    }
    check_failed(__FILE__, __LINE__, "exit kind out of range");
}

inline bool operator==(const VmExit& a, const VmExit& b) {
    return a.kind() == b.kind() && a.visit([&b](const auto& payload) {
        return payload == b.get<std::remove_cvref_t<decltype(payload)>>();
    });
}

inline const char* name(ExitKind kind) {
    switch (kind) {
        case ExitKind::Hypercall:
            return "Hypercall";
        case ExitKind::MmioRead:
            return "MmioRead";
        case ExitKind::MmioWrite:
            return "MmioWrite";
        case ExitKind::SysRegRead:
            return "SysRegRead";
        case ExitKind::SysRegWrite:
            return "SysRegWrite";
        case ExitKind::IoRead:
            return "IoRead";
        case ExitKind::IoWrite:
            return "IoWrite";
        case ExitKind::ExternalInterrupt:
            return "ExternalInterrupt";
        case ExitKind::NestedPageFault:
            return "NestedPageFault";
        case ExitKind::Halt:
            return "Halt";
        case ExitKind::CpuUp:
            return "CpuUp";
        case ExitKind::CpuDown:
            return "CpuDown";
        case ExitKind::SystemDown:
            return "SystemDown";
        case ExitKind::Nothing:
            return "Nothing";
        case ExitKind::FailEntry:
            return "FailEntry";
        case ExitKind::SendIPI:
            return "SendIPI";
        case ExitKind::PreemptionTimer:
            return "PreemptionTimer";
        case ExitKind::Unhandled:
            return "Unhandled";
    }
    return "?";
}

}  // namespace vtless
