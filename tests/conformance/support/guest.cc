// SPDX-License-Identifier: MIT
#include "tests/conformance/support/guest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "isa/x86/ept.h"
#include "isa/x86/vmx_controls.h"
#include "tests/conformance/support/layout.h"
#include "traces/exit_text.h"
#include "vcpu/vmx/failure.h"

namespace vtless::conformance {
namespace {

constexpr uint64_t kWatchdogCycles = 1'000'000;
constexpr uint8_t kWatchdogVector = 0xfe;

const char* text(x86::ExitReason reason) {
    const char* known = x86::name(reason);
    return known != nullptr ? known : "an unknown reason";
}

std::string describe(const VCpuError& error) {
    char message[200];
    vmx::describe(error, message, sizeof message);
    return message;
}

bool needs_unrestricted_guest(const VCpuError& error) {
    return vmx::FailureDetail::decode(error.detail) ==
           vmx::FailureDetail{vmx::Failure::MissingControls,
                              static_cast<uint16_t>(vmx::ControlGroup::Secondary),
                              x86::SecondaryControls::UNRESTRICTED_GUEST};
}

}  // namespace

void Guest::start(const std::string& name, Mode mode, const char* rule, Ring ring) {
    name_ = name;
    rule_ = rule;
    image_ = std::make_unique<Image>(name);
    config_ = {};
    config_.entry_state = entry_state(mode, ring);
    config_.mmio.push_back({Gpa(layout::kDeviceBase), 0x2000});
    fill_memory(backend_->memory(), *image_, mode);
}

void Guest::start(const Bytes& bytes) {
    name_ = bytes.name;
    rule_ = bytes.rule;
    entry_ = bytes.entry;
    config_ = bytes.config;
    write_bytes(0, bytes.memory.data(), bytes.memory.size());
}

void Guest::boot(const std::string& label, int line) {
    booted_ = true;
    const Result<void> done = backend_->boot(image_ != nullptr ? Gpa(symbol(label)) : entry_, config_);
    if (!done && needs_unrestricted_guest(done.error()))
        throw CannotRun{"the processor has no unrestricted guest: " + describe(done.error())};
    good(done, line);
}

VmExit Guest::run(int line) {
    if (!booted_) boot("start", line);
    if (!host_timer_set_) backend_->interrupt_host_after(kWatchdogCycles, kWatchdogVector);
    host_timer_set_ = false;
    const Result<VmExit> exit = backend_->run();
    if (!exit) fail("run: " + describe(exit.error()), line);
    record_.push_back({*exit, raw().exit_reason.raw, backend_->registers()});
    return *exit;
}

void Guest::expect(const VmExit& wanted, int line) {
    const VmExit exit = run(line);
    if (!(exit == wanted)) fail("expected " + traces::exit_text(wanted), line);
}

void Guest::expect_handled(x86::ExitReason reason, int line) {
    const VmExit exit = run(line);
    const bool right = exit.is<VmExit::Nothing>() && raw().exit_reason.basic() == reason;
    if (!right) fail(fmt::format("expected {}, handled", text(reason)), line);
}

void Guest::expect_unhandled(x86::ExitReason reason, int line) {
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
    if (!result) fail(describe(result.error()), line);
}

void Guest::map_as(uint64_t page, uint64_t rights) {
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
        story += fmt::format("  {} ({}) rip {:#x} rflags {:#x} rsp {:#x}", traces::exit_text(step.exit),
                             text(x86::ExitReasonField{step.exit_reason}.basic()), step.registers.rip,
                             step.registers.rflags, gprs[4]);
        story += fmt::format(" rax {:#x} rcx {:#x} rdx {:#x} rbx {:#x} rsi {:#x} rdi {:#x}\n", gprs[0],
                             gprs[1], gprs[2], gprs[3], gprs[6], gprs[7]);
    }
    if (booted_) {
        const auto exit = raw();
        story += fmt::format(
            "qualification {:#x} gla {:#x} gpa {:#x} interruption {:#x}/{:#x} vectoring {:#x}/{:#x}\n",
            exit.exit_qualification, exit.guest_linear_address, exit.guest_physical_address,
            exit.interruption_information.raw, exit.interruption_error_code,
            exit.idt_vectoring_information.raw, exit.idt_vectoring_error_code);
        story += backend_->diagnosis();
    }
    ADD_FAILURE_AT(file_, line) << story;
    throw CaseFailed{};
}

}  // namespace vtless::conformance
