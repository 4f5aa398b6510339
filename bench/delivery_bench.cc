// SPDX-License-Identifier: MIT
// What do an injected interrupt, a guest's #PF, and SYSCALL with SYSRET cost, when between any two the guest
// uses 1 or 256 pages? Against loading a state image on Unicorn alone and going on to a stop: a delivery that
// flushed the TLB would be far away from it with 256.
#include "bench/support/bare_guest.h"
#include "bench/support/guest_code.h"
#include "bench/support/vcpu_guest.h"
#include "bench/support/versus.h"

namespace {

using namespace vtless;
using namespace vtless::bench;

constexpr uint64_t kCode = GuestLayout::kCode;
constexpr uint64_t kRounds = 200;

class ImageFloor {
  public:
    explicit ImageFloor(uint64_t pages) : guest_(VTLESS_GUEST(touch_and_halt)) {
        guest_.set(UC_X86_REG_RBP, pages);
        VTLESS_CHECK(uc_context_alloc(guest_.uc(), &image_) == UC_ERR_OK);
        VTLESS_CHECK(uc_context_save(guest_.uc(), image_) == UC_ERR_OK);
    }
    ~ImageFloor() { uc_context_free(image_); }
    ImageFloor(const ImageFloor&) = delete;
    ImageFloor& operator=(const ImageFloor&) = delete;

    Batch batch() {
        return [this] {
            return ns_per(kRounds, [this] {
                for (uint64_t i = 0; i < kRounds; ++i) {
                    uc_context_restore(guest_.uc(), image_);
                    guest_.resume(kCode);
                }
            });
        };
    }

  private:
    BareGuest guest_;
    uc_context* image_ = nullptr;
};

std::string row(const char* what, uint64_t pages) {
    return std::string(what) + (pages == 1 ? ", 1 live page" : ", 256 live pages");
}

uint64_t place_in_guest(std::span<const uint8_t> code, const uint8_t* label) {
    return kCode + static_cast<uint64_t>(label - code.data());
}

void interrupt(benchmark::State& state) {
    const auto pages = static_cast<uint64_t>(state.range(0));
    ImageFloor floor(pages);
    VcpuGuest guest(VTLESS_GUEST(interrupt_handler));
    guest.set_gpr(x86::Gpr::RBP, pages);
    guest.run_to<VmExit::Halt>();
    versus(state, row("interrupt injected and taken", pages), Target::at_most_times(4),
           {{floor.batch(), [&] {
                 return ns_per(kRounds, [&] {
                     for (uint64_t i = 0; i < kRounds; ++i) {
                         VTLESS_CHECK(guest.vcpu().inject_interrupt(0x40));
                         guest.run_to<VmExit::Halt>();
                     }
                 });
             }}});
}

void page_fault(benchmark::State& state) {
    constexpr uint64_t kNotPresent = 0x800000;
    const auto pages = static_cast<uint64_t>(state.range(0));
    ImageFloor floor(pages);
    VcpuGuest guest(VTLESS_GUEST(page_fault_loop));
    guest.memory().put(GuestLayout::kPageTables + 0x3000 + (kNotPresent >> 12) * 8, uint64_t{0});
    guest.memory().set_handler(place_in_guest(VTLESS_GUEST(page_fault_loop), guest_page_fault_handler));
    guest.set_gpr(x86::Gpr::RBP, pages);
    guest.set_gpr(x86::Gpr::RDI, kNotPresent);
    versus(state, row("guest #PF delivered", pages), Target::at_most_times(4),
           {{floor.batch(), [&] { return ns_per(kRounds, [&] { guest.run_loop(kRounds); }); }}});
}

void system_call(benchmark::State& state) {
    const auto pages = static_cast<uint64_t>(state.range(0));
    ImageFloor floor(pages);
    VcpuGuest guest(VTLESS_GUEST(system_call_loop));
    const uint64_t handler = place_in_guest(VTLESS_GUEST(system_call_loop), guest_system_call_handler);
    VTLESS_CHECK(
        guest.processor().wrmsr(x86::Msr::IA32_STAR, uint64_t{0x18} << 48 | uint64_t{0x08} << 32).ok());
    VTLESS_CHECK(guest.processor().wrmsr(x86::Msr::IA32_LSTAR, handler).ok());
    guest.set_gpr(x86::Gpr::RBP, pages);
    guest.set_gpr(x86::Gpr::RCX, kCode);
    guest.set_gpr(x86::Gpr::R11, x86::rflags::kFixed1);
    versus(state, row("SYSCALL and SYSRET", pages), Target::at_most_times(4),
           {{floor.batch(), [&] {
                 return ns_per(kRounds, [&] {
                     guest.set_gpr(x86::Gpr::R15, kRounds + 1);
                     guest.set_rip(handler);
                     guest.run_to<VmExit::Halt>();
                 });
             }}});
}

void add_both(const char* name, void (*function)(benchmark::State&)) {
    benchmark::RegisterBenchmark(name, function)
        ->Arg(1)
        ->Arg(256)
        ->MinTime(0.3)
        ->Unit(benchmark::kMicrosecond);
}

const bool registered =
    (add_both("delivery/interrupt", interrupt), add_both("delivery/page_fault", page_fault),
     add_both("delivery/system_call", system_call), true);

}  // namespace
