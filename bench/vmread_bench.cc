// SPDX-License-Identifier: MIT
// What does VMREAD cost: a field that the processor holds, against an array; the first field after an exit
// that only the engine's state image holds, against saving that image.
#include <array>

#include "bench/support/bare_guest.h"
#include "bench/support/guest_code.h"
#include "bench/support/vcpu_guest.h"
#include "bench/support/versus.h"

namespace {

using namespace vtless;
using namespace vtless::bench;
using x86::VmcsField;

constexpr uint64_t kReads = 4096;
constexpr uint64_t kExits = 500;

void cached_field(benchmark::State& state) {
    VcpuGuest guest(VTLESS_GUEST(hlt_loop));
    guest.run_to<VmExit::Halt>();
    std::array<uint64_t, 256> fields{};
    const auto array = [&] {
        for (uint64_t i = 0; i < kReads; ++i) {
            uint64_t index = i & 0xff;
            benchmark::DoNotOptimize(index);
            benchmark::DoNotOptimize(fields[index]);
        }
    };
    const auto vmread = [&] {
        for (uint64_t i = 0; i < kReads; ++i) {
            VmcsField field = VmcsField::EXIT_QUALIFICATION;
            benchmark::DoNotOptimize(field);
            uint64_t value;
            VTLESS_CHECK(guest.processor().vmread(field, value).ok());
            benchmark::DoNotOptimize(value);
        }
    };
    versus(state, "VMREAD, cached field / array access", Target::at_most_ns(3),
           {{[&] { return ns_per(kReads, array); }, [&] { return ns_per(kReads, vmread); }}});
}

// Each is the difference of an exit with and without it, best against best.
class Difference {
  public:
    template <class Round, class More>
    double operator()(Round round, More more) {
        without_ = std::min(without_, ns_per(kExits, [&] {
                                for (uint64_t i = 0; i < kExits; ++i) round();
                            }));
        with_ = std::min(with_, ns_per(kExits, [&] {
                             for (uint64_t i = 0; i < kExits; ++i) {
                                 round();
                                 more();
                             }
                         }));
        return with_ - without_;
    }

  private:
    double without_ = 1e9;
    double with_ = 1e9;
};

void first_hidden_field(benchmark::State& state) {
    BareGuest bare(VTLESS_GUEST(hlt_loop));
    uc_context* image = nullptr;
    VTLESS_CHECK(uc_context_alloc(bare.uc(), &image) == UC_ERR_OK);
    VcpuGuest guest(VTLESS_GUEST(hlt_loop));
    // The best of each is reached at the end, not at the least difference on the way.
    Difference floor;
    Difference measured;
    double floor_ns = 0;
    double measured_ns = 0;
    for (auto _ : state) {
        floor_ns = floor([&] { bare.write_rip_and_resume(GuestLayout::kCode + 1); },
                         [&] { uc_context_save(bare.uc(), image); });
        measured_ns = measured(
            [&] { guest.run_to<VmExit::Halt>(); },
            [&] {
                uint64_t value;
                VTLESS_CHECK(guest.processor().vmread(VmcsField::GUEST_CS_ACCESS_RIGHTS, value).ok());
                benchmark::DoNotOptimize(value);
            });
    }
    state.counters["floor"] = floor_ns;
    state.counters["measured"] = measured_ns;
    record("VMREAD, first hidden field / image save", Target::at_most_times(1.3), floor_ns, measured_ns);
    uc_context_free(image);
}

const bool registered =
    add("vmread/cached_field", cached_field) && add("vmread/first_hidden_field", first_hidden_field);

}  // namespace
