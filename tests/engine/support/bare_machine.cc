// SPDX-License-Identifier: MIT
#include "tests/engine/support/bare_machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

// The leak sanitizer's, where it is linked in.
extern "C" {
[[gnu::weak]] void __lsan_disable();
[[gnu::weak]] void __lsan_enable();
}

namespace vtless::engine_test {
namespace {

constexpr uint64_t kHostPages = kRamSize - (1u << 20);
constexpr uint64_t kTrampoline = kHostPages, kVmcb = kHostPages + 0x2000, kHostSave = kHostPages + 0x3000;
constexpr uint64_t kParking = kHostPages + 0x10, kMsrMap = kHostPages + 0x8000;
constexpr uint32_t kMsrEfer = 0xc0000080, kMsrHostSave = 0xc0010117;

constexpr size_t kRunawayFetches = 1000;

bool is_host_page(uint64_t page) { return page >= kHostPages && page < kRamSize; }

void must(uc_err error, const char* what) {
    if (error == UC_ERR_OK) return;
    std::fprintf(stderr, "%s: %s\n", what, uc_strerror(error));
    std::abort();
}

template <class F>
void* as_pointer(F* f) {
    return reinterpret_cast<void*>(f);
}

int instruction_entry(uc_engine*, void* f) { return (*static_cast<std::function<bool()>*>(f))() ? 1 : 0; }

}  // namespace

#define MUST(call) must((call), #call)

BareMachine::BareMachine(const HostSetup& setup) {
    MUST(uc_open(UC_ARCH_X86, UC_MODE_64, &uc_));
    configure();
    map_memory();
    set_translation([](uint64_t page, uc_mem_type) { return identity(page); });
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_TLB_FILL, as_pointer(fill_entry), this, 1, 0));
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_INTR, as_pointer(interrupt_entry), this, 1, 0));
    prepare_host(setup);
}

BareMachine::~BareMachine() {
    uc_context_free(host_);
    uc_close(uc_);
    munmap(ram_, kRamSize);
}

void BareMachine::map_memory() {
    void* memory = mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    ram_ = static_cast<uint8_t*>(memory);
    MUST(uc_mem_map_ptr(uc_, 0, kRamSize, UC_PROT_ALL, ram_));
}

void BareMachine::prepare_host(const HostSetup& setup) {
    code(kTrampoline, {0x0f, 0x01, 0xda, 0x0f, 0x01, 0xd8});  // vmload rax; vmrun rax
    code(kParking, {0xf4});
    std::memset(ram_ + kMsrMap, 0xff, 0x2000);
    // Without paging, PAE and long mode on the host's side VMRUN drops the guest's CR0.
    set_reg(UC_X86_REG_CR4, 0x6a0);
    set_reg(UC_X86_REG_CR0, 0x80050033);
    for (auto [id, value] : {std::pair<uint32_t, uint64_t>{kMsrEfer, 0x1501}, {kMsrHostSave, kHostSave}}) {
        uc_x86_msr msr{id, value};
        MUST(uc_reg_write(uc_, UC_X86_REG_MSR, &msr));
    }
    if (setup) setup(*this);
    set_reg(UC_X86_REG_RAX, kVmcb);
    MUST(uc_context_alloc(uc_, &host_));
    MUST(uc_context_save(uc_, host_));
}

void BareMachine::load(const GuestState& state, const Intercepts& intercepts) {
    // The guest starts on an HLT of ours, whose interception leaves exactly the state loaded.
    GuestState parked = state;
    parked.rip = kParking - state.cs.base;
    const auto vmcb = make_vmcb(parked, intercepts.with(SvmExit::HLT), kMsrMap);
    std::copy(vmcb.begin(), vmcb.end(), ram_ + kVmcb);
    MUST(uc_context_restore(uc_, host_));
    MUST(resume(kTrampoline));
    set_reg(UC_X86_REG_RIP, state.rip);
    clear_stop();
}

uc_err BareMachine::enter(const GuestState& state, const Intercepts& intercepts) {
    load(state, intercepts);
    return resume();
}

void BareMachine::clear_stop() {
    interrupt_.reset();
    refused_page_ = kNoAddress;
    accesses_.clear();
    fetches_ = 0;
}

uc_err BareMachine::resume(uint64_t rip) {
    clear_stop();
    return uc_emu_start(uc_, rip, 0, 0, 0);
}

uint64_t BareMachine::reg(int id) const {
    uint64_t value = 0;
    MUST(uc_reg_read(uc_, id, &value));
    return value;
}

void BareMachine::set_reg(int id, uint64_t value) { MUST(uc_reg_write(uc_, id, &value)); }

std::optional<Translation> BareMachine::identity(uint64_t page) {
    if (page >= kRamSize) return std::nullopt;
    return Translation{page};
}

std::optional<Translation> BareMachine::write_xor_execute(uint64_t page, uc_mem_type type) {
    if (page >= kRamSize) return std::nullopt;
    return Translation{page, UC_PROT_READ | (type == UC_MEM_FETCH ? UC_PROT_EXEC : UC_PROT_WRITE)};
}

void BareMachine::refuse(uint64_t page) {
    set_translation(
        [page](uint64_t asked, uc_mem_type) { return asked == page ? std::nullopt : identity(asked); });
}

void BareMachine::watch_unmapped(int types) {
    if (watched_) return;
    watched_ = true;
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, types, as_pointer(unmapped_entry), this, 1, 0));
}

void BareMachine::make_sentinel(uint64_t page) {
    watch_unmapped();
    set_translation([page](uint64_t asked, uc_mem_type) {
        return asked == page ? std::optional<Translation>(Translation{kSentinel}) : identity(asked);
    });
}

size_t BareMachine::fills_of(uint64_t page) const {
    return static_cast<size_t>(
        std::count_if(fills_.begin(), fills_.end(), [&](auto& f) { return f.page == page; }));
}

bool BareMachine::fill_entry(uc_engine*, uint64_t page, uc_mem_type type, uc_tlb_entry* out, void* self) {
    auto& m = *static_cast<BareMachine*>(self);
    const bool host = is_host_page(page);
    // A guest that has run away through zeroes is stopped, so that a test fails at once.
    if (type == UC_MEM_FETCH && ++m.fetches_ > kRunawayFetches) return false;
    const auto translation = host ? identity(page) : m.translate_(page, type);
    if (!host) m.fills_.push_back({page, type});
    if (!translation) {
        m.refused_page_ = page;
        return false;
    }
    out->paddr = translation->physical;
    out->perms = static_cast<uc_prot>(translation->permissions);
    return true;
}

void BareMachine::interrupt_entry(uc_engine* uc, uint32_t number, void* self) {
    static_cast<BareMachine*>(self)->interrupt_ = number;
    uc_emu_stop(uc);
}

bool BareMachine::unmapped_entry(uc_engine*, uc_mem_type type, uint64_t address, int size, int64_t value,
                                 void* self) {
    auto& m = *static_cast<BareMachine*>(self);
    m.accesses_.push_back({type, address, size, static_cast<uint64_t>(value), m.rip()});
    return false;
}

template <class F>
F* BareMachine::keep(F f) {
    auto hook = std::make_unique<Hook<F>>(std::move(f));
    F* call = &hook->call;
    hooks_.push_back(std::move(hook));
    return call;
}

uc_hook BareMachine::on_block(std::function<void(Block)> hook) {
    void (*entry)(uc_engine*, uint64_t, uint32_t, void*) = [](uc_engine*, uint64_t at, uint32_t size,
                                                              void* f) {
        if (!is_host_page(at)) (*static_cast<std::function<void(Block)>*>(f))({at, size});
    };
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_BLOCK, as_pointer(entry), keep(std::move(hook)), 1, 0));
    return handle;
}

uc_hook BareMachine::on_new_block(std::function<void(uc_tb)> hook) {
    void (*entry)(uc_engine*, uc_tb*, uc_tb*, void*) = [](uc_engine*, uc_tb* block, uc_tb*, void* f) {
        if (!is_host_page(block->pc)) (*static_cast<std::function<void(uc_tb)>*>(f))(*block);
    };
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_EDGE_GENERATED, as_pointer(entry), keep(std::move(hook)), 1, 0));
    return handle;
}

uc_hook BareMachine::on_code(uint64_t address, std::function<void()> hook) {
    void (*entry)(uc_engine*, uint64_t, uint32_t, void*) = [](uc_engine*, uint64_t, uint32_t, void* f) {
        (*static_cast<std::function<void()>*>(f))();
    };
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_CODE, as_pointer(entry), keep(std::move(hook)), address, address));
    return handle;
}

uc_hook BareMachine::on_instruction(int instruction, std::function<bool()> hook) {
    uc_hook handle;
    MUST(uc_hook_add(uc_, &handle, UC_HOOK_INSN, as_pointer(instruction_entry), keep(std::move(hook)), 1, 0,
                     instruction));
    return handle;
}

bool BareMachine::accepts_instruction_hook(int instruction) {
    uc_hook handle;
    // Unicorn forgets a hook that it refuses: a leak, and not ours to be told of.
    if (__lsan_disable != nullptr) __lsan_disable();
    const uc_err error =
        uc_hook_add(uc_, &handle, UC_HOOK_INSN, as_pointer(instruction_entry), nullptr, 1, 0, instruction);
    if (__lsan_enable != nullptr) __lsan_enable();
    if (error == UC_ERR_OK) uc_hook_del(uc_, handle);
    return error == UC_ERR_OK;
}

// Unicorn's control macros cast in C's way.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"

void BareMachine::configure() {
    MUST(uc_ctl_set_cpu_model(uc_, UC_CPU_X86_EPYC_ROME));  // a model with SVM
    MUST(uc_ctl_tlb_mode(uc_, UC_TLB_VIRTUAL));
    MUST(uc_ctl_exits_enable(uc_));  // no `until` address, which would retranslate
}

void BareMachine::flush_tlb() { MUST(uc_ctl_flush_tlb(uc_)); }
void BareMachine::flush_blocks() { MUST(uc_ctl_flush_tb(uc_)); }
void BareMachine::drop_blocks(uint64_t address, uint64_t end) {
    MUST(uc_ctl_remove_cache(uc_, address, end));
}

#pragma GCC diagnostic pop

}  // namespace vtless::engine_test
