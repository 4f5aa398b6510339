// SPDX-License-Identifier: MIT
#include "vcpu/kvm/vm.h"

#include <linux/kvm.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "vcpu/kvm/msr_filter.h"

namespace vtless::kvm {

namespace {

// Pages that KVM itself needs on Intel processors without unrestricted guests, where no PC has memory.
constexpr uint64_t kIdentityMap = 0xfeffc000;
constexpr uint64_t kTaskState = 0xfeffd000;

constexpr unsigned kNeeded[] = {
    KVM_CAP_USER_MEMORY,        KVM_CAP_SET_TSS_ADDR,   KVM_CAP_SET_IDENTITY_MAP_ADDR,
    KVM_CAP_EXT_CPUID,          KVM_CAP_USER_NMI,       KVM_CAP_VCPU_EVENTS,
    KVM_CAP_DEBUGREGS,          KVM_CAP_XCRS,           KVM_CAP_IMMEDIATE_EXIT,
    KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_X86_MSR_FILTER,
};

constexpr unsigned kNeededForApics[] = {KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_SIGNAL_MSI, KVM_CAP_IRQ_ROUTING,
                                        KVM_CAP_MP_STATE};

VCpuErrc code_of(int error) { return error == ENOMEM ? VCpuErrc::NoMemory : VCpuErrc::Unsupported; }

}  // namespace

Result<std::unique_ptr<Vm>> Vm::create(const VmConfig& config) {
    Kernel& kernel = config.kernel != nullptr ? *config.kernel : linux_kernel();
    const Expected<int, int> fd = kernel.open(config.device.c_str());
    if (!fd) return fail_with(code_of(fd.error()), Failure::Open, 0, fd.error());
    std::unique_ptr<Vm> vm(new Vm(config, Descriptor(kernel, *fd)));
    if (const auto good = vm->check_system(); !good) return Unexpected(good.error());
    if (const auto started = vm->start(); !started) return Unexpected(started.error());
    return vm;
}

Result<int> Vm::extension(unsigned capability) const {
    return call(system_, KVM_CHECK_EXTENSION, uintptr_t{capability});
}

Result<void> Vm::require(unsigned capability) const {
    const auto there = extension(capability);
    if (!there) return Unexpected(there.error());
    if (*there != 0) return {};
    return fail_with(VCpuErrc::Unsupported, Failure::MissingCapability, capability);
}

Result<void> Vm::check_system() {
    const auto version = call(system_, KVM_GET_API_VERSION);
    if (!version) return Unexpected(version.error());
    if (*version != KVM_API_VERSION)
        return fail_with(VCpuErrc::Unsupported, Failure::ApiVersion, static_cast<uint32_t>(*version));
    for (const unsigned capability : kNeeded)
        if (const auto there = require(capability); !there) return there;
    if (has_kernel_apics())
        for (const unsigned capability : kNeededForApics)
            if (const auto there = require(capability); !there) return there;
    const auto read_only = extension(KVM_CAP_READONLY_MEM);
    if (!read_only) return Unexpected(read_only.error());
    const auto slots = extension(KVM_CAP_NR_MEMSLOTS);
    if (!slots) return Unexpected(slots.error());
    limits_ = {*slots > 0 ? static_cast<size_t>(*slots) : 32, *read_only != 0, config_.ept,
               has_kernel_apics()};
    const auto bytes = call(system_, KVM_GET_VCPU_MMAP_SIZE);
    if (!bytes) return Unexpected(bytes.error());
    shared_bytes_ = static_cast<size_t>(*bytes);
    if (shared_bytes_ < sizeof(kvm_run))
        return fail_with(VCpuErrc::Unsupported, Failure::SharedMemory, static_cast<uint32_t>(*bytes));
    return {};
}

Result<void> Vm::start() {
    kick_signal_ = config_.kick_signal != 0 ? config_.kick_signal : SIGRTMIN;
    const auto vm = call(system_, KVM_CREATE_VM);
    if (!vm) return Unexpected(vm.error());
    vm_ = Descriptor(system_.kernel(), *vm);
    uint64_t identity_map = kIdentityMap;
    if (const auto done = call(vm_, KVM_SET_IDENTITY_MAP_ADDR, &identity_map); !done)
        return Unexpected(done.error());
    if (const auto done = call(vm_, KVM_SET_TSS_ADDR, uintptr_t{kTaskState}); !done)
        return Unexpected(done.error());
    if (const auto done = take_kernel_apics(); !done) return done;
    if (const auto done = exit_on_hypercalls(); !done) return done;
    return filter_msrs();
}

// Those that KVM offers: its own ABI, not all VMCALLs.
Result<void> Vm::exit_on_hypercalls() {
    const auto offered = extension(KVM_CAP_EXIT_HYPERCALL);
    if (!offered) return Unexpected(offered.error());
    if (*offered <= 0) return {};
    kvm_enable_cap exits{};
    exits.cap = KVM_CAP_EXIT_HYPERCALL;
    exits.args[0] = static_cast<uint64_t>(*offered);
    const auto done = call(vm_, KVM_ENABLE_CAP, &exits);
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

// A value that an MSR which is passed through does not take is #GP at once, as on a processor: no exit.
Result<void> Vm::filter_msrs() {
    kvm_enable_cap exits{};
    exits.cap = KVM_CAP_X86_USER_SPACE_MSR;
    exits.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
    if (const auto done = call(vm_, KVM_ENABLE_CAP, &exits); !done) return Unexpected(done.error());
    MsrPassThroughList passed = config_.passed_msrs;
    if (has_kernel_apics())
        for (const x86::Msr msr : {x86::Msr::IA32_APIC_BASE, x86::Msr::IA32_TSC_DEADLINE})
            if (!passed.push_back({msr, true, true}))
                return fail_with(VCpuErrc::InvalidInput, Failure::MsrListFull);
    auto filter = MsrFilter::make(passed);
    if (!filter) return Unexpected(filter.error());
    kvm_msr_filter request = filter->request();
    const auto done = call(vm_, KVM_X86_SET_MSR_FILTER, &request);
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

Result<void> Vm::set_slot(uint32_t id, const MemorySlot& slot, bool there) {
    kvm_userspace_memory_region region{};
    region.slot = id;
    region.flags = there && slot.read_only ? KVM_MEM_READONLY : 0;
    region.guest_phys_addr = slot.guest.value();
    region.memory_size = there ? slot.bytes : 0;
    region.userspace_addr = reinterpret_cast<uintptr_t>(slot.host);
    const auto done = call(vm_, KVM_SET_USER_MEMORY_REGION, &region);
    return done ? Result<void>() : Result<void>(Unexpected(done.error()));
}

Result<void> Vm::map_memory(Hpa ept_root) {
    auto wanted = memory_slots(ept_root, config_.memory, limits_);
    if (!wanted) return Unexpected(wanted.error());
    // What goes away first: new slots may lie where it was.
    for (uint32_t id = 0; id < slots_.size(); ++id) {
        MemorySlot& slot = slots_[id];
        const auto same = std::find(wanted->begin(), wanted->end(), slot);
        if (slot.bytes == 0) continue;
        if (same != wanted->end()) {
            wanted->erase(same);
            continue;
        }
        if (const auto gone = set_slot(id, slot, false); !gone) return gone;
        slot.bytes = 0;
    }
    for (const MemorySlot& slot : *wanted) {
        const auto free =
            std::find_if(slots_.begin(), slots_.end(), [](const MemorySlot& s) { return s.bytes == 0; });
        const auto id = static_cast<uint32_t>(free - slots_.begin());
        if (const auto set = set_slot(id, slot, true); !set) return set;
        if (free == slots_.end()) {
            slots_.push_back(slot);
        } else {
            *free = slot;
        }
    }
    ept_root_ = ept_root;
    return {};
}

Result<void> Vm::share_ept_root(Hpa ept_root, bool moved) {
    const unsigned others = sharers_ - (moved ? 1 : 0);
    if (others != 0 && ept_root != ept_root_) return fail_with(VCpuErrc::Unsupported, Failure::OtherEptRoot);
    if (const auto mapped = map_memory(ept_root); !mapped) return mapped;
    sharers_ = others + 1;
    return {};
}

Result<Descriptor> Vm::create_vcpu(uint64_t id) const {
    const auto fd = call(vm_, KVM_CREATE_VCPU, uintptr_t{id});
    if (!fd) return Unexpected(fd.error());
    return Descriptor(vm_.kernel(), *fd);
}

Result<Mapping> Vm::map_vcpu(const Descriptor& vcpu) const {
    const Expected<uint8_t*, int> shared = vcpu.kernel().map(vcpu.get(), shared_bytes_);
    if (!shared) return fail_with(VCpuErrc::Backend, Failure::Map, 0, shared.error());
    return Mapping(vcpu.kernel(), *shared, shared_bytes_);
}

}  // namespace vtless::kvm
