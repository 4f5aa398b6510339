// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "explain/dump.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::explain {
namespace {

using F = x86::VmcsField;

const std::string kHead = "{\"format\": \"vtless-vmcs\", \"version\": 1, ";

void expect_refused(const std::string& text, const std::string& message) {
    const auto dump = read_dump(text);
    ASSERT_FALSE(dump.has_value()) << text;
    EXPECT_NE(dump.error().find(message), std::string::npos) << dump.error();
}

TEST(JsonDump, ReadsWhatItHasWritten) {
    sim::Vmcs vmcs{Hpa(0)};
    sim::ValidVmcs{}.fill([&](F field, uint64_t value) { vmcs.set(field, value); });
    Dump written = dump_of(vmcs, false);
    written.entry_msrs = {{0xc0000080, 1, 0x500}};
    const auto read = read_dump(write_json(written));
    ASSERT_TRUE(read.has_value()) << read.error();
    EXPECT_EQ(read->fields, written.fields);
    EXPECT_EQ(read->ia32e_host, false);
    ASSERT_EQ(read->entry_msrs.size(), 1);
    EXPECT_EQ(read->entry_msrs[0].reserved, 1);
    EXPECT_EQ(read->entry_msrs[0].value, 0x500);
}

TEST(JsonDump, TakesNumbersInEitherForm) {
    const auto dump = read_dump(kHead + R"("fields": {"GUEST_RIP": 16, "GUEST_RSP": "17", "VPID": "0x12"}})");
    ASSERT_TRUE(dump.has_value()) << dump.error();
    EXPECT_EQ(dump->get(F::GUEST_RIP), 16);
    EXPECT_EQ(dump->get(F::GUEST_RSP), 17);
    EXPECT_EQ(dump->get(F::VPID), 18);
    EXPECT_EQ(dump->get(F::GUEST_CR0), std::nullopt);
}

TEST(JsonDump, RefusesByName) {
    expect_refused(kHead + R"("fields": {"GUEST_RPI": 1}})", "\"GUEST_RPI\" is no VMCS field");
    expect_refused(kHead + R"("fields": {"EPT_POINTER_HIGH": 1}})", "\"EPT_POINTER_HIGH\" is no VMCS field");
    expect_refused(kHead + R"("fields": {"VPID": "0x10000"}})", "VPID: 0x10000 has more than the field's 16");
    expect_refused(kHead + R"("fields": {"VPID": "0x1g"}})", "VPID: \"0x1g\" is not a number");
    expect_refused(kHead + R"("fields": {"VPID": -1}})", "VPID: -1 is not a number");
    expect_refused(kHead + R"("fields": {}, "hostmode": true})", "\"hostmode\" is not known here");
    expect_refused(kHead + R"("fields": {}, "ia32e_host": 1})", "\"ia32e_host\" is not known here, or");
    expect_refused(kHead + R"("fields": {}, "entry_msrs": [1]})", "entry_msrs: 1 is no index and value");
}

TEST(JsonDump, RefusesWhatIsNoDump) {
    expect_refused("", "the file is empty");
    expect_refused(" \n", "the file is empty");
    expect_refused("{", "cut short or garbled");
    expect_refused(kHead + R"("fields": {"VPID": 1)", "cut short or garbled");
    expect_refused("{}", "\"format\" is not \"vtless-vmcs\"");
    expect_refused(R"({"format": "vtless-vmcs", "version": 2, "fields": {}})", "version 2 of the format");
    expect_refused(kHead + R"("fields": []})", "\"fields\" is missing");
}

}  // namespace
}  // namespace vtless::explain
