// SPDX-License-Identifier: MIT
// ArchVCpu: what VCpu<A> needs of a backend, and ArchPerCpu: what PerCpu<A> needs. Mirrors of AxArchVCpu and
// AxArchPerCpu. Structural: a backend includes this only to static_assert itself.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "isa/addr.h"
#include "vcpu/error.h"
#include "vcpu/exit.h"

namespace vtless {

using VmId = size_t;
using VCpuId = size_t;

// create: no hardware is current yet. set_entry, set_ept_root, setup: in this order, once, before the first
// bind. run: between bind and unbind; a guest's misbehaviour is an exit or an event, never an error.
// set_gpr refuses an index that names no register (InvalidInput). set_return_value completes a hypercall.
// A is moved by VCpu::create and when its VCpu moves, never while one of these functions runs.
template <class A>
concept ArchVCpu = std::move_constructible<A> &&
    requires(A& arch, const typename A::CreateConfig& create_config,
             const typename A::SetupConfig& setup_config, VmId vm, VCpuId vcpu, Gpa entry, Hpa ept_root,
             size_t index, uint64_t value) {
    { A::create(vm, vcpu, create_config) } -> std::same_as<Result<A>>;
    { arch.set_entry(entry) } -> std::same_as<Result<void>>;
    { arch.set_ept_root(ept_root) } -> std::same_as<Result<void>>;
    { arch.setup(setup_config) } -> std::same_as<Result<void>>;
    { arch.run() } -> std::same_as<Result<VmExit>>;
    { arch.bind() } -> std::same_as<Result<void>>;
    { arch.unbind() } -> std::same_as<Result<void>>;
    { arch.set_gpr(index, value) } -> std::same_as<Result<void>>;
    { arch.inject_interrupt(index) } -> std::same_as<Result<void>>;
    { arch.set_return_value(value) } -> std::same_as<void>;
};

// One physical CPU's virtualization hardware. max_guest_page_table_levels is optional: PerCpu answers 4.
template <class A>
concept ArchPerCpu = std::move_constructible<A> &&
    requires(A& arch, const A& const_arch, size_t cpu_id, const typename A::CreateConfig& config) {
    { A::create(cpu_id, config) } -> std::same_as<Result<A>>;
    { const_arch.is_enabled() } -> std::same_as<bool>;
    { arch.hardware_enable() } -> std::same_as<Result<void>>;
    { arch.hardware_disable() } -> std::same_as<Result<void>>;
};

}  // namespace vtless
