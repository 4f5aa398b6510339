// SPDX-License-Identifier: MIT
#include "sim/engine/unicorn.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "sim/engine/image_layout.h"

namespace vtless::sim {
namespace {

constexpr int kGprIds[] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                           UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                           UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                           UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};

bool is_mapped(const std::byte* first, size_t bytes) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t start = reinterpret_cast<uintptr_t>(first) & ~(page - 1);
    const size_t length = reinterpret_cast<uintptr_t>(first) + bytes - start;
    std::vector<unsigned char> residency(length / page + 1);
    return mincore(reinterpret_cast<void*>(start), length, residency.data()) == 0;
}

std::byte* pointer_at(const std::byte* place) {
    std::byte* pointer;
    std::memcpy(&pointer, place, sizeof pointer);
    return pointer;
}

std::string failure(const char* what, uc_err error) {
    return fmt::format("{}: {}", what, uc_strerror(error));
}

}  // namespace

std::string Unicorn::version() {
    unsigned major = 0;
    unsigned minor = 0;
    const unsigned packed = uc_version(&major, &minor);
    return fmt::format("{}.{}.{}", major, minor, packed >> 8 & 0xff);
}

Expected<std::unique_ptr<Unicorn>, std::string> Unicorn::open() {
    auto unicorn = std::unique_ptr<Unicorn>(new Unicorn);
    if (const uc_err e = uc_open(UC_ARCH_X86, UC_MODE_64, &unicorn->uc_); e != UC_ERR_OK) {
        return Unexpected(failure("uc_open(x86)", e));
    }
    // The model decides what exists: this one has SVM, on which interception stands.
    if (const uc_err e = uc_ctl_set_cpu_model(unicorn->uc_, UC_CPU_X86_EPYC_ROME); e != UC_ERR_OK) {
        return Unexpected(failure("uc_ctl_set_cpu_model(EPYC-Rome)", e));
    }
    if (const uc_err e = uc_ctl_tlb_mode(unicorn->uc_, UC_TLB_VIRTUAL); e != UC_ERR_OK) {
        return Unexpected(failure("uc_ctl_tlb_mode(virtual)", e));
    }
    // Without the end address that each start would have: no stop drops a block for its sake.
    if (const uc_err e = uc_ctl_exits_enable(unicorn->uc_); e != UC_ERR_OK) {
        return Unexpected(failure("uc_ctl_exits_enable", e));
    }
    if (const uc_err e = uc_context_alloc(unicorn->uc_, &unicorn->context_); e != UC_ERR_OK) {
        return Unexpected(failure("uc_context_alloc", e));
    }
    if (const size_t size = uc_context_size(unicorn->uc_); size != layout::kContextSize) {
        return Unexpected(fmt::format("Unicorn {}: its state image has {} bytes, this build knows one of {}",
                                      version(), size, layout::kContextSize));
    }
    return unicorn;
}

Unicorn::~Unicorn() {
    if (context_ != nullptr) uc_context_free(context_);
    if (uc_ != nullptr) uc_close(uc_);
}

void Unicorn::map(uint64_t physical, size_t bytes, void* host) {
    VTLESS_CHECK(uc_mem_map_ptr(uc_, physical, bytes, UC_PROT_ALL, host) == UC_ERR_OK);
}

bool Unicorn::attach(const UnicornHooks& hooks, void* self) {
    hooks_ = hooks;
    self_ = self;
    const auto add = [&](int type, auto callback, auto... extra) {
        uc_hook handle;
        VTLESS_CHECK(uc_hook_add(uc_, &handle, type, reinterpret_cast<void*>(callback), self, 1, 0,
                                 extra...) == UC_ERR_OK);
    };
    add(UC_HOOK_TLB_FILL, hooks.fill);
    add(UC_HOOK_INTR, hooks.intercept);
    add(UC_HOOK_BLOCK, hooks.block);
    add(UC_HOOK_EDGE_GENERATED, hooks.new_block);
    add(UC_HOOK_INSN, hooks.syscall, static_cast<int>(UC_X86_INS_SYSCALL));
    add(UC_HOOK_INSN, hooks.sysenter, static_cast<int>(UC_X86_INS_SYSENTER));
    add(UC_HOOK_INSN, hooks.rdtsc, static_cast<int>(UC_X86_INS_RDTSC));
    add(UC_HOOK_INSN, hooks.rdtscp, static_cast<int>(UC_X86_INS_RDTSCP));
    // Addresses that are not canonical, so that no code is there.
    constexpr std::array<uint64_t, 2> kNowhere = {0x5a11'0000'0000'1000, 0x5a11'0000'0000'2000};
    VTLESS_CHECK(uc_hook_add(uc_, &code_hook_, UC_HOOK_CODE, reinterpret_cast<void*>(hooks.code), self,
                             kNowhere[0], kNowhere[1]) == UC_ERR_OK);
    return std::memcmp(hooked_range(), kNowhere.data(), sizeof kNowhere) == 0 && be_asked();
}

// The tree, if it holds one address and that is `only`.
std::byte* Unicorn::tree_of_exits(uint64_t only) const {
    uint64_t exit = only;
    VTLESS_CHECK(uc_ctl_set_exits(uc_, &exit, 1) == UC_ERR_OK);
    std::byte* tree = pointer_at(reinterpret_cast<const std::byte*>(uc_) + layout::kEngineExits);
    if (tree == nullptr || !is_mapped(tree, layout::kTreeSize)) return nullptr;
    const std::byte* root = pointer_at(tree + layout::kTreeRoot);
    if (root == nullptr || !is_mapped(root + layout::kNodeKey, sizeof root)) return nullptr;
    const std::byte* key = pointer_at(root + layout::kNodeKey);
    if (key == nullptr || !is_mapped(key, sizeof only)) return nullptr;
    return std::memcmp(key, &only, sizeof only) == 0 ? tree : nullptr;
}

// The translator looks each instruction's address up among the exits, so whoever orders them is asked. The
// one exit is 0, because Unicorn drops the blocks at any other whenever it stops.
bool Unicorn::be_asked() {
    constexpr uint64_t kUnlikely = 0x5a11'0000'0000'3000;
    using Compare = int (*)(const void*, const void*, void*);
    const Compare compare = [](const void* wanted, const void*, void* data) {
        const auto& self = *static_cast<Unicorn*>(data);
        uint64_t linear;
        std::memcpy(&linear, wanted, sizeof linear);
        return self.hooks_.refuses(linear, self.self_) ? 0 : 1;
    };
    std::byte* tree = tree_of_exits(kUnlikely);
    if (tree == nullptr || tree_of_exits(0) != tree) return false;
    void* const self = this;
    std::memcpy(tree + layout::kTreeCompare, &compare, sizeof compare);
    std::memcpy(tree + layout::kTreeData, &self, sizeof self);
    return true;
}

std::byte* Unicorn::hooked_range() const {
    return reinterpret_cast<std::byte*>(code_hook_) +
           layout::kHookRange;  // NOLINT(performance-no-int-to-ptr)
}

void Unicorn::hook_code(uint64_t first, uint64_t last) {
    first_hooked_ = first;
    last_hooked_ = last;
    const std::array range = {first, last};
    std::memcpy(hooked_range(), range.data(), sizeof range);
}

// A hook of stores is what makes Unicorn translate loads too so that they can be seen. The hook after a load
// is called once where the one before it would be called for each part of a load across pages.
void Unicorn::watch_accesses(uc_cb_hookmem_t callback, void* self) {
    constexpr std::array kTypes = {UC_HOOK_MEM_WRITE, UC_HOOK_MEM_READ_AFTER};
    for (size_t i = 0; i < kTypes.size(); ++i) {
        VTLESS_CHECK(uc_hook_add(uc_, &access_hooks_[i], kTypes[i], reinterpret_cast<void*>(callback), self,
                                 uint64_t{1}, uint64_t{0}) == UC_ERR_OK);
    }
}

void Unicorn::ignore_accesses() {
    for (const uc_hook hook : access_hooks_) VTLESS_CHECK(uc_hook_del(uc_, hook) == UC_ERR_OK);
}

void Unicorn::write_msr(uint32_t msr, uint64_t value) {
    uc_x86_msr operand{msr, value};
    VTLESS_CHECK(uc_reg_write(uc_, UC_X86_REG_MSR, &operand) == UC_ERR_OK);
}

std::array<uint64_t, 2> Unicorn::read_xmm(unsigned index) const {
    std::array<uint64_t, 2> value;
    VTLESS_CHECK(uc_reg_read(uc_, UC_X86_REG_XMM0 + static_cast<int>(index), value.data()) == UC_ERR_OK);
    return value;
}

void Unicorn::write_xmm(unsigned index, const std::array<uint64_t, 2>& value) {
    VTLESS_CHECK(uc_reg_write(uc_, UC_X86_REG_XMM0 + static_cast<int>(index), value.data()) == UC_ERR_OK);
}

uint64_t Unicorn::read(x86::Gpr index) const { return read(kGprIds[static_cast<size_t>(index)]); }
void Unicorn::write(x86::Gpr index, uint64_t value) { write(kGprIds[static_cast<size_t>(index)], value); }

// A library that is laid out otherwise has something else where the pointer is looked for: nothing is read
// through it before the kernel has said that memory is there.
bool Unicorn::locate_state() {
    std::byte* cpu = pointer_at(reinterpret_cast<const std::byte*>(uc_) + layout::kEngineCpu);
    std::byte* state = cpu + layout::kCpuGprs - layout::kGprs;
    constexpr size_t kSize = layout::kInterceptExceptions + sizeof(uint32_t) - layout::kGprs;
    if (cpu == nullptr || !is_mapped(state + layout::kGprs, kSize)) return false;
    state_ = state;
    return std::memcmp(state_ + layout::kGprs, image() + layout::kGprs, kSize) == 0;
}

uint64_t Unicorn::fault_address() const {
    uint64_t address;
    std::memcpy(&address, reinterpret_cast<const std::byte*>(uc_) + layout::kEngineFaultAddress,
                sizeof address);
    return address;
}

}  // namespace vtless::sim
