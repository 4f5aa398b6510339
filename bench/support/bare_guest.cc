// SPDX-License-Identifier: MIT
#include "bench/support/bare_guest.h"

#include "bench/support/guest_layout.h"
#include "isa/check.h"
#include "tests/engine/support/bare_machine.h"

namespace vtless::bench {
namespace {

using engine_test::BareMachine;
using engine_test::GuestState;
using engine_test::Intercepts;
using engine_test::SvmExit;

void nothing(uc_engine*, uint64_t, uint32_t, void*) {}
void stop(uc_engine* uc, uint64_t, uint32_t, void*) { uc_emu_stop(uc); }

void add_hook(uc_engine* uc, int type, void (*callback)(uc_engine*, uint64_t, uint32_t, void*),
              uint64_t first, uint64_t last) {
    uc_hook handle;
    VTLESS_CHECK(uc_hook_add(uc, &handle, type, reinterpret_cast<void*>(callback), nullptr, first, last) ==
                 UC_ERR_OK);
}

}  // namespace

BareGuest::BareGuest(std::span<const uint8_t> code, const Options& options)
    : machine_(std::make_unique<BareMachine>()) {
    machine_->set_translation(
        [refused = options.refused_page](uint64_t page,
                                         uc_mem_type type) -> std::optional<engine_test::Translation> {
            if (page == refused) return std::nullopt;
            return BareMachine::write_xor_execute(page, type);
        });
    machine_->code(GuestLayout::kCode, code);
    const Intercepts all = Intercepts::usual();
    machine_->load(GuestState::long_mode(GuestLayout::kCode),
                   options.intercept_hlt ? all : all.without(SvmExit::HLT));
    set(UC_X86_REG_RSP, GuestLayout::kStack);
    set(UC_X86_REG_RSI, GuestLayout::kData);
    if (options.block_hook) add_hook(uc(), UC_HOOK_BLOCK, nothing, 1, 0);
}

BareGuest::~BareGuest() = default;

uc_engine* BareGuest::uc() const { return machine_->uc(); }
uint8_t* BareGuest::memory(uint64_t at) { return machine_->ram(at); }
uint64_t BareGuest::get(int reg) const { return machine_->reg(reg); }

void BareGuest::hook_instruction(uint64_t at) { add_hook(uc(), UC_HOOK_CODE, stop, at, at); }

void BareGuest::run_loop(uint64_t iterations) {
    set(UC_X86_REG_RCX, iterations);
    VTLESS_CHECK(resume(GuestLayout::kCode) == UC_ERR_OK);
    VTLESS_CHECK(get(UC_X86_REG_RCX) == 0);
}

}  // namespace vtless::bench
