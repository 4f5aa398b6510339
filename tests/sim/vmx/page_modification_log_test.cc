// SPDX-License-Identifier: MIT
// SDM Vol. 3C "Page-Modification Logging" (29.3.6).
#include <gtest/gtest.h>

#include <vector>

#include "isa/x86/event_info.h"
#include "tests/sim/vmx/ept_fixture.h"

namespace vtless::sim {
namespace {

using x86::EventInfo;
using x86::EventType;
using x86::Gpr;
using x86::SecondaryControls;
namespace ept = x86::ept;

class PageModificationLogging : public EptFixture {
  protected:
    PageModificationLogging() {
        split(kCode);
        split(kData);
        log = frame();
        set_secondary(SecondaryControls::ENABLE_PML);
        write(F::PML_ADDRESS, log.value());
        write(F::PML_INDEX, 511);
        write(F::EPT_POINTER, eptp | x86::Eptp::kAccessedDirty);
        gprs.set(Gpr::RBX, kData + 0x123);
    }
    // What is logged, oldest first.
    std::vector<uint64_t> logged() {
        std::vector<uint64_t> pages;
        for (uint64_t at = 511; at != read(F::PML_INDEX); at = (at - 1) & 0xffff)
            pages.push_back(host(log + at * 8));
        return pages;
    }
    bool is_logged(uint64_t page) {
        const auto pages = logged();
        return std::find(pages.begin(), pages.end(), page) != pages.end();
    }
    uint64_t flags_of(uint64_t gpa) { return host(entry_of(gpa)) & (ept::ACCESSED | ept::DIRTY); }
    void store() { code({0x89, 0x03, 0xf4}); }  // mov [rbx], eax; hlt

    Hpa log;
};

// The guest's paging structures are written to (29.3.5), top level first; then the page.
TEST_F(PageModificationLogging, LogsPagesInTheOrderInWhichTheyBecomeDirty) {
    put<uint64_t>(0x11000, 0x6007);  // a page directory apart from the other tables, all in 2 MiB of EPT
    for (uint64_t i = 0; i < 512; ++i) put<uint64_t>(0x6000 + i * 8, get<uint64_t>(0x12000 + i * 8));
    split(0);
    store();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(logged(), (std::vector<uint64_t>{kPml4, 0x11000, 0x6000, kData}));
    EXPECT_EQ(flags_of(kData), ept::ACCESSED | ept::DIRTY);
    EXPECT_EQ(flags_of(kCode), ept::ACCESSED);
}

TEST_F(PageModificationLogging, LogsAPageOnceUntilItsDirtyFlagIsCleared) {
    store();
    ASSERT_EQ(run(), Reason::HLT);
    const uint64_t index = read(F::PML_INDEX);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::PML_INDEX), index);
    set_entry(kData, ept::DIRTY);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::PML_INDEX), index - 1);
    EXPECT_EQ(logged().back(), kData);
}

TEST_F(PageModificationLogging, LogsThePageOfTheAccessWithinALargePage) {
    gprs.set(Gpr::RBX, kData + 0x205008);
    store();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(logged().back(), kData + 0x205000);
}

TEST_F(PageModificationLogging, ReadsAreNotLogged) {
    code({0x8b, 0x03, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_FALSE(is_logged(kData));
    EXPECT_EQ(flags_of(kData), ept::ACCESSED);
}

TEST_F(PageModificationLogging, WithoutAccessedAndDirtyFlagsNothingIsLogged) {
    write(F::EPT_POINTER, eptp);
    store();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_TRUE(logged().empty());
}

TEST_F(PageModificationLogging, WithoutTheControlNothingIsLogged) {
    set_secondary(0);
    store();
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(flags_of(kData), ept::ACCESSED | ept::DIRTY);
    EXPECT_TRUE(logged().empty());
}

TEST_F(PageModificationLogging, TheIndexWrapsAndThenTheNextAccessExitsBeforeItHappens) {
    put<uint32_t>(kData + 0x123, 0x5555);
    put<uint32_t>(kData + 0x1123, 0x5555);
    store();
    ASSERT_EQ(run(), Reason::HLT);  // the tables and kData are dirty
    write(F::PML_INDEX, 0);
    set_entry(kData, ept::DIRTY);
    code({0x89, 0x03, 0x89, 0x83, 0, 0x10, 0, 0, 0xf4});  // mov [rbx], eax; mov [rbx + 0x1000], eax; hlt
    write(F::GUEST_RIP, kCode);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, 0);
    gprs.set(Gpr::RAX, 0x7777);
    ASSERT_EQ(run(), Reason::PML_FULL);
    EXPECT_EQ(read(F::PML_INDEX), 0xffffu);
    EXPECT_EQ(host(log), kData);
    EXPECT_EQ(read(F::GUEST_RIP), kCode + 2);
    EXPECT_EQ(read(F::EXIT_QUALIFICATION), 0u);
    EXPECT_EQ(get<uint32_t>(kData + 0x123), 0x7777u);
    EXPECT_EQ(get<uint32_t>(kData + 0x1123), 0x5555u);
    EXPECT_EQ(flags_of(kData + 0x1000), 0u);
    write(F::PML_INDEX, 511);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(logged(), (std::vector<uint64_t>{kData + 0x1000}));
    EXPECT_EQ(get<uint32_t>(kData + 0x1123), 0x7777u);
}

// An accessed flag that has to be set needs room in the log as well.
TEST_F(PageModificationLogging, AFullLogAlsoStopsAccessesThatOnlySetAccessedFlags) {
    code({0x8b, 0x03, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    set_entry(kData, ept::ACCESSED);
    write(F::PML_INDEX, 512);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::PML_FULL);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
    EXPECT_EQ(read(F::PML_INDEX), 512u);
    EXPECT_EQ(flags_of(kData), 0u);
    write(F::PML_INDEX, 0);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(read(F::PML_INDEX), 0u) << "nothing became dirty";
}

TEST_F(PageModificationLogging, AFullLogDoesNotStopAccessesThatSetNoFlag) {
    store();
    ASSERT_EQ(run(), Reason::HLT);
    write(F::PML_INDEX, 0xffff);
    EXPECT_TRUE(hw->invept(x86::InveptType::ALL_CONTEXT, {}).ok());
    write(F::GUEST_RIP, kCode);
    EXPECT_EQ(run(), Reason::HLT);
}

TEST_F(PageModificationLogging, AnExitDuringEventDeliverySaysSo) {
    split(kStack);
    write(F::GUEST_RSP, kData + 0x1000);  // pushes dirty kData
    code({0x90, 0xf4});
    ASSERT_EQ(run(), Reason::HLT);
    set_entry(kData, ept::DIRTY);
    write(F::PML_INDEX, 0xffff);
    write(F::GUEST_RIP, kCode);
    write(F::GUEST_ACTIVITY_STATE, 0);
    write(F::VM_ENTRY_INTERRUPTION_INFORMATION, EventInfo::make(EventType::HARDWARE_EXCEPTION, 6, false).raw);
    ASSERT_EQ(run(), Reason::PML_FULL);
    EXPECT_EQ(EventInfo{static_cast<uint32_t>(read(F::IDT_VECTORING_INFORMATION))}.vector(), 6);
    EXPECT_EQ(read(F::GUEST_RIP), kCode);
}

TEST_F(PageModificationLogging, IsTheSameOnEachRun) {
    store();
    ASSERT_EQ(run(), Reason::HLT);
    const auto first = logged();
    for (uint64_t page = 0; page < kGuestBytes; page += 4096) {
        const Hpa entry = entry_of(page);
        put_host(entry, host(entry) & ~(ept::ACCESSED | ept::DIRTY));
    }
    EXPECT_TRUE(hw->invept(x86::InveptType::ALL_CONTEXT, {}).ok());
    write(F::PML_INDEX, 511);
    write(F::GUEST_RIP, kCode);
    ASSERT_EQ(run(), Reason::HLT);
    EXPECT_EQ(logged(), first);
}

}  // namespace
}  // namespace vtless::sim
