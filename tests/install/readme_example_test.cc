// SPDX-License-Identifier: MIT
// The README's example, as it stands there, with a backend that plays a list of exits.
#include "tests/install/readme_example.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace vtless {
namespace {

class Script {
  public:
    struct CreateConfig {
        std::vector<VmExit> exits = {VmExit::IoWrite{0x402, AccessWidth::Byte, 'h'}, VmExit::Hypercall{},
                                     VmExit::IoWrite{0x402, AccessWidth::Byte, 'i'}, VmExit::Halt{}};
    };
    struct SetupConfig {};

    static Result<Script> create(VmId, VCpuId, const CreateConfig& config) { return Script(config.exits); }
    Result<void> set_entry(Gpa entry) {
        return entry == Gpa(0x7c00) ? Result<void>() : fail(VCpuErrc::InvalidInput, entry.value());
    }
    Result<void> set_ept_root(Hpa) { return {}; }
    Result<void> setup(const SetupConfig&) { return {}; }
    Result<void> bind() { return {}; }
    Result<void> unbind() { return {}; }
    Result<void> set_gpr(size_t, uint64_t) { return {}; }
    Result<void> inject_interrupt(size_t) { return {}; }
    void set_return_value(uint64_t) { answered_ = true; }

    // A hypercall that got no answer ends the script early.
    Result<VmExit> run() {
        if (next_ == 2 && !answered_) {
            return fail(VCpuErrc::Backend);
        }
        return exits_.at(next_++);
    }

  private:
    explicit Script(std::vector<VmExit> exits) : exits_(std::move(exits)) {}

    std::vector<VmExit> exits_;
    size_t next_ = 0;
    bool answered_ = false;
};

TEST(ReadmeExample, RunsAGuestUntilItHalts) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* log = open_memstream(&text, &size);
    ASSERT_NE(log, nullptr);
    EXPECT_TRUE(boot<Script>(Gpa(0x7c00), Hpa(0), log).has_value());
    std::fclose(log);
    EXPECT_EQ(std::string(text, size), "hi");
    std::free(text);
}

TEST(ReadmeExample, SaysWhyAGuestDidNotStart) {
    const Result<void> done = boot<Script>(Gpa(0), Hpa(0), stdout);
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, VCpuErrc::InvalidInput);
}

}  // namespace
}  // namespace vtless
