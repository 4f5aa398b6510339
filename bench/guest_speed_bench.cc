// SPDX-License-Identifier: MIT
// How fast does guest code run with translation through paging and EPT, exact accounting and discovery of
// code, against the same code on Unicorn alone with a block hook that does nothing?
#include "bench/support/bare_guest.h"
#include "bench/support/engine_guest.h"
#include "bench/support/guest_code.h"
#include "bench/support/versus.h"

namespace {

using namespace vtless;
using namespace vtless::bench;

// The same code runs up to three times as fast or slow by where the translator puts it.
constexpr int kEngines = 4;
constexpr uint64_t kIterations = 50'000;

struct Loop {
    std::string what;
    std::span<const uint8_t> code;
    Target target;
};

struct Pair {
    BareGuest bare;
    EngineGuest ours;

    explicit Pair(std::span<const uint8_t> code) : bare(code, {.block_hook = true}), ours(code) {}
};

void run(benchmark::State& state, const Loop& loop) {
    std::vector<std::unique_ptr<Pair>> pairs;
    std::vector<Contest> contests;
    for (int i = 0; i < kEngines; ++i) {
        Pair& pair = *pairs.emplace_back(std::make_unique<Pair>(loop.code));
        contests.push_back(
            {[&pair] { return ns_per(kIterations, [&] { pair.bare.run_loop(kIterations); }); },
             [&pair] { return ns_per(kIterations, [&] { pair.ours.run_loop(kIterations); }); }});
    }
    versus(state, loop.what, loop.target, contests);
}

bool add_loop(const char* name, Loop loop) {
    return add(name, [loop = std::move(loop)](benchmark::State& state) { run(state, loop); });
}

const bool registered =
    add_loop("accounting/blocks_of_3",
             {"block accounting, 3 instructions", VTLESS_GUEST(blocks_of_3), Target::at_most_more_ns(2)}) &&
    add_loop("accounting/blocks_of_10",
             {"block accounting, 10 instructions", VTLESS_GUEST(blocks_of_10), Target::at_most_more_ns(2)}) &&
    add_loop("accounting/blocks_of_66",
             {"block accounting, 66 instructions", VTLESS_GUEST(blocks_of_66), Target::at_most_more_ns(2)}) &&
    add_loop("speed/loads_and_stores", {"load/store loop, everything on", VTLESS_GUEST(loads_and_stores),
                                        Target::at_least_speed(0.85)}) &&
    add_loop("speed/calls_and_returns", {"call/return loop, everything on", VTLESS_GUEST(calls_and_returns),
                                         Target::at_least_speed(0.85)});

}  // namespace
