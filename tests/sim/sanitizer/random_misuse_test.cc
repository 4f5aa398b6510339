// SPDX-License-Identifier: MIT
// A hypervisor that does anything: the sanitizer says the same whatever happens to the engine's own TLB,
// keeps a bounded number of findings, and changes nothing of what the hypervisor and its guest see.
#include <random>

#include "isa/x86/ept.h"
#include "tests/sim/sanitizer/sanitizer_fixture.h"

namespace vtless::sim {
namespace {

class Hypervisor : public SanitizerFixture {
  public:
    Hypervisor(uint64_t seed, uint64_t flush_seed) : SanitizerFixture(flush_seed), random_(seed) {
        // mov eax, [0x800000]; mov [0xa00000], eax; cpuid; inc ebx; jmp to the start
        code({0xa1, 0, 0, 0x80, 0, 0, 0,    0,    0,    0xa3, 0,    0,
              0xa0, 0, 0, 0,    0, 0, 0x0f, 0xa2, 0xff, 0xc3, 0xeb, 0xe8});
    }
    void TestBody() override {}

    // What was found, and what the hypervisor saw.
    std::string misbehave(unsigned steps) {
        for (unsigned step = 0; step < steps; ++step) act();
        (void)found();
        EXPECT_LE(sanitizer.findings().size(), 256u);
        return details() + seen_;
    }

  private:
    uint64_t below(uint64_t limit) { return random_() % limit; }

    void act() {
        switch (below(10)) {
            case 0:
                return write_any_guest_field();
            case 1:
                return read_any_field();
            case 2:
                return change_ept();
            case 3:
                return invalidate();
            case 4:
                inject_anything();
                break;
            case 5:
                hw->note_queued_event(vmcs, x86::EventInfo::make(x86::EventType::EXTERNAL_INTERRUPT,
                                                                 static_cast<uint8_t>(32 + below(8))));
                break;
            case 6:
                if (below(4) == 0) put_host<uint64_t>(vmcs + 8 + below(64) * 8, random_());
                if (below(4) == 0) reload();
                break;
            default:
                break;
        }
        enter();
    }
    void write_any_guest_field() {
        const F field = kSupportedFields[below(kSupportedFieldCount)];
        if (x86::type(field) != x86::VmcsType::GUEST_STATE) return;
        (void)hw->vmwrite(field, below(2) == 0 ? random_() : below(1 << 12));
    }
    void read_any_field() {
        uint64_t value = 0;
        if (hw->vmread(kSupportedFields[below(kSupportedFieldCount)], value).ok())
            seen_ += std::to_string(value) + "\n";
    }
    // Of the first 16 MiB.
    void change_ept() {
        uint64_t pdpt = 0;
        uint64_t pd = 0;
        std::memcpy(&pdpt, memory.map(Hpa(x86::Eptp{eptp}.root())), sizeof pdpt);
        std::memcpy(&pd, memory.map(Hpa(x86::ept::table_address(pdpt))), sizeof pd);
        const Hpa entry = Hpa(x86::ept::table_address(pd)) + (3 + below(5)) * 8;
        const uint64_t page = ram.value() + ((3 + below(5)) << 21);
        const uint64_t rights = below(8);
        put_host<uint64_t>(entry, page | rights | x86::ept::LARGE | 6u << 3 | (below(8) == 0 ? 0x1000 : 0));
    }
    void invalidate() {
        const auto eptp_value = below(2) == 0 ? eptp : uint64_t{0};
        if (below(2) == 0) {
            (void)hw->invept(static_cast<x86::InveptType>(below(4)), {eptp_value, 0});
        } else {
            (void)hw->invvpid(static_cast<x86::InvvpidType>(below(5)),
                              {static_cast<uint16_t>(below(3)), Gva(below(16) << 20)});
        }
    }
    void inject_anything() {
        (void)hw->vmwrite(
            F::VM_ENTRY_INTERRUPTION_INFORMATION,
            below(2) == 0 ? random_() & 0xffffffff : x86::EventInfo::external_interrupt(32).raw);
    }
    void reload() {
        (void)hw->vmclear(vmcs);
        put_host<uint32_t>(vmcs, capability::kRevision);
        (void)hw->vmptrld(vmcs);
        if (below(2) == 0) values.fill([&](F field, uint64_t value) { (void)hw->vmwrite(field, value); });
    }
    void enter() {
        hw->set_host_timer(hw->rdtsc() + 3000, 0x20);
        const x86::VmxStatus status = below(8) == 0 ? hw->vmlaunch(gprs) : hw->vmresume(gprs);
        if (!status.ok() && below(2) == 0) (void)hw->vmlaunch(gprs);
        uint64_t rip = 0;
        uint64_t reason = 0;
        (void)hw->vmread(F::GUEST_RIP, rip);
        (void)hw->vmread(F::EXIT_REASON, reason);
        seen_ +=
            std::to_string(reason) + " " + std::to_string(rip) + " " + std::to_string(hw->rdtsc()) + "\n";
        if (below(2) == 0) (void)hw->vmwrite(F::GUEST_RIP, kCode);
    }

    std::mt19937_64 random_;
    std::string seen_;
};

TEST(RandomMisuse, IsReportedTheSameEachTime) {
    bool any = false;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        const std::string first = Hypervisor(seed, 0).misbehave(150);
        EXPECT_EQ(first, Hypervisor(seed, seed * 7919).misbehave(150)) << "seed " << seed;
        any = any || first.find("tlb.missing-invept") != std::string::npos;
    }
    EXPECT_TRUE(any);
}

}  // namespace
}  // namespace vtless::sim
