// SPDX-License-Identifier: MIT
// One conformance case under way: a guest, what is expected of it, and a record of what it did.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "isa/x86/exception.h"
#include "tests/conformance/support/backend.h"
#include "tests/conformance/support/image.h"
#include "tests/conformance/support/start.h"

namespace vtless::conformance {

// Thrown by the first expectation that does not hold: the rest of the case would say nothing new.
struct CaseFailed {
    int line;
    std::string story;
};

// What a variant must leave the same.
struct Observed {
    VmExit exit;
    uint32_t exit_reason;  // 0 without a VMCS
    Registers registers;

    friend bool operator==(const Observed&, const Observed&) = default;
};

struct RegisterValue {
    x86::Gpr gpr;
    uint64_t value;
};

// Each expectation that does not hold ends the case, with the caller's line and the rule. What relies on a
// capability that the backend does not have ends it as one that cannot run there.
class Guest {
  public:
    explicit Guest(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

    // Loads guests/<name>.S. rule: the sentences of the SDM, in our words, on which the expectations rest.
    void start(const std::string& name, Mode mode, const char* rule, Ring ring = Ring::Kernel);
    // Without an image of guests/: these bytes from guest-physical 0 on, entered there.
    struct Bytes {
        std::string name;
        std::string rule;
        Gpa entry;
        std::vector<uint8_t> memory;
        Setup setup;
    };
    void start(const Bytes& bytes);
    // To be changed before boot().
    vmx::GuestEntryState& state() { return setup_.entry_state; }
    std::vector<vmx::MmioRange>& mmio() { return setup_.mmio; }
    // What VMX intercepts: needs a VMCS.
    vmx::SetupConfig& controls() {
        needs(&Capabilities::vmcs);
        return setup_.controls;
    }

    ProcessorFeatures processor() const { return backend_->processor(); }
    Capabilities can() const { return backend_->capabilities(); }
    // Skips the case on a processor that does not have it.
    void needs(bool there, const std::string& what) const {
        if (!there) throw CannotRun{"the processor has no " + what};
    }
    // Skips the case on a backend that cannot do it.
    void needs(bool Capabilities::*capability) const;
    // Whether details of VMX can be looked at. What a case that runs without them leaves unchecked is told.
    bool sees_vmcs();
    bool left_details_unchecked() const { return left_details_unchecked_; }

    // At the label. The first run does it otherwise.
    void boot(const std::string& label = "start", int line = __builtin_LINE());

    VmExit run(int line = __builtin_LINE());
    void expect(const VmExit& exit, int line = __builtin_LINE());
    // An exit that the backend itself takes care of. False: it shows none of these, and the guest has not
    // run.
    bool expect_handled(x86::ExitReason reason, int line = __builtin_LINE());
    // The end of a run where a waiting event can be delivered: at the label. Needs interrupt_windows.
    void expect_window(const std::string& label, x86::ExitReason reason = x86::ExitReason::INTERRUPT_WINDOW,
                       int line = __builtin_LINE());
    // An exit that the backend leaves alone. Needs a VMCS.
    void expect_unhandled(x86::ExitReason reason, int line = __builtin_LINE());
    // END, with these registers.
    void expect_end(std::initializer_list<RegisterValue> values = {}, int line = __builtin_LINE());
    void expect_gprs(std::initializer_list<RegisterValue> values, int line = __builtin_LINE());
    void expect_field(x86::VmcsField field, uint64_t value, int line = __builtin_LINE());
    // For what there is no other expectation: nothing, or what differs.
    void expect_no(const std::string& difference, int line = __builtin_LINE()) {
        if (!difference.empty()) fail(difference, line);
    }
    void expect_equal(const std::string& what, uint64_t actual, uint64_t wanted, int line = __builtin_LINE());

    // OUT DX or an immediate port.
    void expect_out(uint16_t port, AccessWidth width, uint64_t data, int line = __builtin_LINE()) {
        expect(VmExit::IoWrite{port, width, data}, line);
    }
    // IN, answered with the value.
    void expect_in(uint16_t port, AccessWidth width, uint64_t answer, int line = __builtin_LINE());
    // An EPT violation that the caller has to do something about. Needs ept_violations.
    void expect_violation(uint64_t gpa, AccessFlags how, int line = __builtin_LINE()) {
        needs(&Capabilities::ept_violations);
        expect(VmExit::NestedPageFault{Gpa(gpa), how}, line);
    }
    // The next run ends with this interrupt. Needs cycles.
    void interrupt_host_after(uint64_t cycles, uint8_t vector) {
        needs(&Capabilities::cycles);
        backend_->interrupt_host_after(cycles, vector);
    }
    void good(const Result<void>& result, int line = __builtin_LINE());

    Backend& backend() { return *backend_; }
    uint64_t gpr(x86::Gpr index) { return backend_->registers().gprs[static_cast<unsigned>(index)]; }
    uint64_t rip() { return backend_->registers().rip; }
    uint64_t rflags() { return backend_->registers().rflags; }
    uint64_t symbol(const std::string& label) const { return image_->symbol(label); }
    // These need a VMCS.
    uint64_t field(x86::VmcsField which) { return vmcs().read_field(which); }
    void set_field(x86::VmcsField which, uint64_t value) { vmcs().write_field(which, value); }
    vmx::RawVmxExit raw() { return vmcs().raw_exit(); }

    template <class T>
    T read(uint64_t gpa) {
        T value{};
        read_bytes(gpa, &value, sizeof value);
        return value;
    }
    std::vector<uint8_t> read(uint64_t gpa, size_t size) {
        std::vector<uint8_t> bytes(size);
        read_bytes(gpa, bytes.data(), size);
        return bytes;
    }
    template <class T>
    void write(uint64_t gpa, std::type_identity_t<T> value) {
        write_bytes(gpa, &value, sizeof value);
    }
    // EPT's rights of the page. Others than none, all, and reading with execution need ept_rights.
    void map_as(uint64_t page, uint64_t rights);
    uint64_t& ept_entry(uint64_t page) { return backend_->ept_entry(Gpa(page)); }

    const std::vector<Observed>& record() const { return record_; }

  private:
    void read_bytes(uint64_t gpa, void* bytes, size_t size);
    void write_bytes(uint64_t gpa, const void* bytes, size_t size);
    VmcsAccess& vmcs() {
        needs(&Capabilities::vmcs);
        return *backend_->vmcs();
    }
    [[noreturn]] void fail(const std::string& what, int line);

    std::unique_ptr<Backend> backend_;
    std::string name_;
    std::string rule_;
    std::unique_ptr<Image> image_;  // none of one started by its bytes
    Gpa entry_;                     // of that
    Setup setup_;
    bool booted_ = false;
    bool left_details_unchecked_ = false;
    std::vector<Observed> record_;
};

}  // namespace vtless::conformance
