// SPDX-License-Identifier: MIT
#include "tests/conformance/support/guest.h"

#include <fmt/format.h>
#include <stdexcept>

#include "isa/x86/ept.h"
#include "tests/conformance/support/layout.h"
#include "traces/exit_text.h"

namespace vtless::conformance {
namespace {

const char* text(x86::ExitReason reason) {
    const char* known = x86::name(reason);
    return known != nullptr ? known : "an unknown reason";
}

struct Need {
    bool Capabilities::*capability;
    const char* without;
};
constexpr Need kNeeds[] = {
    {&Capabilities::ept_violations, "cannot go on after an EPT violation"},
    {&Capabilities::ept_rights, "cannot take away single EPT rights"},
    {&Capabilities::ept_accessed_dirty, "does not set EPT's accessed and dirty flags"},
    {&Capabilities::vmcs, "shows no VMCS"},
    {&Capabilities::all_hypercalls, "keeps hypercalls to itself"},
    {&Capabilities::single_string_io, "lets nothing in between the elements of a port string"},
    {&Capabilities::interrupt_windows, "sees an interrupt window late"},
    {&Capabilities::halts_exit, "lets a processor stand halted in its run"},
    {&Capabilities::cycles, "has no simulated time"},
};

}  // namespace

void Guest::start(const std::string& name, Mode mode, const char* rule, Ring ring) {
    name_ = name;
    rule_ = rule;
    image_ = std::make_unique<Image>(name);
    setup_ = {};
    setup_.entry_state = entry_state(mode, ring);
    setup_.mmio.push_back({Gpa(layout::kDeviceBase), 0x2000});
    fill_memory(backend_->memory(), *image_, mode);
}

void Guest::start(const Bytes& bytes) {
    name_ = bytes.name;
    rule_ = bytes.rule;
    entry_ = bytes.entry;
    setup_ = bytes.setup;
    write_bytes(0, bytes.memory.data(), bytes.memory.size());
}

void Guest::needs(bool Capabilities::*capability) const {
    const Capabilities have = can();
    if (have.*capability) return;
    for (const Need& need : kNeeds)
        if (need.capability == capability)
            throw CannotRun{fmt::format("the backend {} {}", have.backend, need.without)};
    throw std::logic_error("a capability without a text");
}

bool Guest::sees_vmcs() {
    if (can().vmcs) return true;
    left_details_unchecked_ = true;
    return false;
}

void Guest::boot(const std::string& label, int line) {
    booted_ = true;
    good(backend_->boot(image_ != nullptr ? Gpa(symbol(label)) : entry_, setup_), line);
}

VmExit Guest::run(int line) {
    if (!booted_) boot("start", line);
    const Result<VmExit> exit = backend_->run();
    if (!exit) fail("run: " + backend_->describe(exit.error()), line);
    record_.push_back({*exit, can().vmcs ? raw().exit_reason.raw : 0, backend_->registers()});
    return *exit;
}

void Guest::expect(const VmExit& wanted, int line) {
    if (wanted.is<VmExit::Halt>()) needs(&Capabilities::halts_exit);
    const VmExit exit = run(line);
    if (!(exit == wanted)) fail("expected " + traces::exit_text(wanted), line);
}

bool Guest::expect_handled(x86::ExitReason reason, int line) {
    if (!sees_vmcs()) return false;
    const VmExit exit = run(line);
    const bool right = exit.is<VmExit::Nothing>() && raw().exit_reason.basic() == reason;
    if (!right) fail(fmt::format("expected {}, handled", text(reason)), line);
    return true;
}

void Guest::expect_window(const std::string& label, x86::ExitReason reason, int line) {
    needs(&Capabilities::interrupt_windows);
    if (!run(line).is<VmExit::Nothing>()) fail("expected the end of a run without an exit", line);
    expect_equal("RIP", rip(), symbol(label), line);
    if (sees_vmcs()) expect_equal("reason", raw().exit_reason.raw, static_cast<uint64_t>(reason), line);
}

void Guest::expect_unhandled(x86::ExitReason reason, int line) {
    needs(&Capabilities::vmcs);
    const VmExit exit = run(line);
    const bool right = exit.is<VmExit::Unhandled>() && raw().exit_reason.basic() == reason;
    if (!right) fail(fmt::format("expected {}, left to the caller", text(reason)), line);
}

void Guest::expect_end(std::initializer_list<RegisterValue> values, int line) {
    const VmExit exit = run(line);
    const auto* out = exit.get_if<VmExit::IoWrite>();
    if (out == nullptr || out->port != layout::kEndPort) fail("expected the guest's end", line);
    expect_gprs(values, line);
}

void Guest::expect_gprs(std::initializer_list<RegisterValue> values, int line) {
    for (const RegisterValue& wanted : values)
        expect_equal(x86::name(wanted.gpr), gpr(wanted.gpr), wanted.value, line);
}

void Guest::expect_field(x86::VmcsField which, uint64_t value, int line) {
    expect_equal(x86::name(which), field(which), value, line);
}

void Guest::expect_equal(const std::string& what, uint64_t actual, uint64_t wanted, int line) {
    if (actual != wanted) fail(fmt::format("{} is {:#x}, not {:#x}", what, actual, wanted), line);
}

void Guest::expect_in(uint16_t port, AccessWidth width, uint64_t answer, int line) {
    expect(VmExit::IoRead{port, width}, line);
    good(backend_->complete_io_read(answer), line);
}

void Guest::good(const Result<void>& result, int line) {
    if (!result) fail(backend_->describe(result.error()), line);
}

void Guest::map_as(uint64_t page, uint64_t rights) {
    const bool plain =
        rights == 0 || rights == x86::ept::RWX || rights == (x86::ept::READ | x86::ept::EXECUTE);
    if (!plain) needs(&Capabilities::ept_rights);
    uint64_t& entry = ept_entry(page);
    entry = (entry & ~x86::ept::RWX) | rights;
    if (booted_) backend_->flush();
}

void Guest::read_bytes(uint64_t gpa, void* bytes, size_t size) {
    const std::span<uint8_t> target(static_cast<uint8_t*>(bytes), size);
    if (!backend_->memory().read(Gpa(gpa), target)) throw std::runtime_error("outside the guest's memory");
}

void Guest::write_bytes(uint64_t gpa, const void* bytes, size_t size) {
    const std::span<const uint8_t> source(static_cast<const uint8_t*>(bytes), size);
    if (!backend_->memory().write(Gpa(gpa), source)) throw std::runtime_error("outside the guest's memory");
}

void Guest::fail(const std::string& what, int line) {
    const std::string file = image_ != nullptr ? "guests/" + name_ + ".S" : name_;
    std::string story = fmt::format("{}: {}\nrule: {}\n", file, what, rule_);
    for (const Observed& step : record_) {
        const auto& gprs = step.registers.gprs;
        story += "  " + traces::exit_text(step.exit);
        if (can().vmcs) story += fmt::format(" ({})", text(x86::ExitReasonField{step.exit_reason}.basic()));
        story += fmt::format(" rip {:#x} rflags {:#x} rsp {:#x}", step.registers.rip, step.registers.rflags,
                             gprs[4]);
        story += fmt::format(" rax {:#x} rcx {:#x} rdx {:#x} rbx {:#x} rsi {:#x} rdi {:#x}\n", gprs[0],
                             gprs[1], gprs[2], gprs[3], gprs[6], gprs[7]);
    }
    if (booted_ && can().vmcs) {
        const auto exit = raw();
        story += fmt::format(
            "qualification {:#x} gla {:#x} gpa {:#x} interruption {:#x}/{:#x} vectoring {:#x}/{:#x}\n",
            exit.exit_qualification, exit.guest_linear_address, exit.guest_physical_address,
            exit.interruption_information.raw, exit.interruption_error_code,
            exit.idt_vectoring_information.raw, exit.idt_vectoring_error_code);
    }
    if (booted_) story += backend_->diagnosis();
    throw CaseFailed{line, story};
}

}  // namespace vtless::conformance
