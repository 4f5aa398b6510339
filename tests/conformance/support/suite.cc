// SPDX-License-Identifier: MIT
#include "tests/conformance/support/suite.h"

#include <cstdlib>

#include "traces/exit_text.h"

namespace vtless::conformance {

Outcome run_variant(std::unique_ptr<Backend> backend, const char* file, void (*body)(Guest&)) {
    Guest guest(std::move(backend), file);
    try {
        body(guest);
    } catch (const CaseFailed&) {
        return {};
    } catch (const CannotRun& refusal) {
        // Only on a processor that was asked for: the default one must run every case.
        if (std::getenv("VTLESS_TEST_CPU") == nullptr) ADD_FAILURE() << refusal.why;
        return {{}, refusal.why};
    }
    EXPECT_FALSE(guest.record().empty()) << "the case ran nothing";
    return {guest.record(), ""};
}

void expect_same(const std::vector<Observed>& first, const std::vector<Observed>& other,
                 const Variant& variant) {
    ASSERT_EQ(first.size(), other.size()) << variant.name;
    for (size_t i = 0; i < first.size(); ++i) {
        const Registers& a = first[i].registers;
        const Registers& b = other[i].registers;
        ASSERT_EQ(traces::exit_text(first[i].exit), traces::exit_text(other[i].exit)) << "exit " << i;
        ASSERT_EQ(a.rip, b.rip) << "exit " << i;
        ASSERT_EQ(a.cycles, b.cycles) << "exit " << i;
        ASSERT_EQ(a.instructions, b.instructions) << "exit " << i;
        ASSERT_TRUE(first[i] == other[i]) << "exit " << i << ": registers differ";
    }
}

}  // namespace vtless::conformance
