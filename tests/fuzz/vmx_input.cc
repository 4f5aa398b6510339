// SPDX-License-Identifier: MIT
#include "tests/fuzz/vmx_input.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "isa/x86/ept.h"
#include "sim/vmx/vmcs_layout.h"
#include "sim/vmx/vmx_processor.h"
#include "tests/sim/vmx/valid_vmcs.h"

namespace vtless::sim {
namespace {

using F = x86::VmcsField;

constexpr uint64_t kGuestBytes = 8u << 20;
constexpr uint64_t kHostBytes = 16u << 20;
constexpr uint64_t kPml4 = 0x10000;
constexpr uint64_t kIdt = 0x50000;
constexpr uint64_t kCode = 0x100000;
constexpr uint64_t kHandlers = 0x180000;
constexpr uint64_t kSlice = 600;  // cycles that a guest may run
constexpr unsigned kOperations = 200;
constexpr unsigned kEntries = 24;

// Zeros behind the end.
class Bytes {
  public:
    explicit Bytes(std::span<const uint8_t> bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    template <class T>
    T take() {
        T value{};
        const std::span<const uint8_t> part = take(sizeof value);
        std::memcpy(&value, part.data(), part.size());
        return value;
    }
    std::span<const uint8_t> take(size_t most) {
        const size_t count = std::min(most, bytes_.size());
        const auto part = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return part;
    }

  private:
    std::span<const uint8_t> bytes_;
};

// Ends guests that put their own time back: not before what takes a slice has taken its time many times over.
class Watchdog {
  public:
    explicit Watchdog(VmxProcessor& processor) : processor_(processor), thread_([this] { watch(); }) {}
    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        ended_.notify_one();
        thread_.join();
    }
    bool barked() const { return barked_; }

  private:
    void watch() {
        std::unique_lock lock(mutex_);
        const auto done = [this] { return done_; };
        for (auto wait = std::chrono::milliseconds(3000); !ended_.wait_for(lock, wait, done);
             wait = std::chrono::milliseconds(10)) {
            barked_ = true;
            processor_.request_exit();
        }
    }

    VmxProcessor& processor_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool done_ = false;
    std::atomic<bool> barked_ = false;
    std::thread thread_;
};

class Hypervisor {
  public:
    Hypervisor() {
        auto created = VmxProcessor::create(memory_, {});
        if (!created) std::abort();
        hw_ = std::move(*created);
        build_ept();
        build_guest();
        for (Hpa* region : {&vmxon_, &vmcs_[0], &vmcs_[1]}) {
            allocate(*region);
            put_host<uint32_t>(*region, capability::kRevision);
        }
        (void)hw_->write_cr4(hw_->read_cr4() | x86::cr4::VMXE);
        (void)hw_->vmxon(vmxon_);
        for (const Hpa region : {vmcs_[1], vmcs_[0]}) {
            (void)hw_->vmclear(region);
            (void)hw_->vmptrld(region);
            values_.eptp = eptp_;
            values_.fill([&](F field, uint64_t value) { (void)hw_->vmwrite(field, value); });
            (void)hw_->vmwrite(F::GUEST_IDTR_BASE, kIdt);
            (void)hw_->vmwrite(F::GUEST_IDTR_LIMIT, 0xfff);
        }
    }

    uint64_t run(Bytes bytes, bool& repeatable) {
        Watchdog watchdog(*hw_);
        for (unsigned i = 0; i < kOperations && !bytes.empty() && !watchdog.barked(); ++i) operate(bytes);
        repeatable = !watchdog.barked();
        return digest_;
    }

  private:
    void note(uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3; }
    void note(x86::VmxStatus status) {
        note(static_cast<uint64_t>(status.kind()) << 40 | static_cast<uint64_t>(status.vector()) << 32 |
             status.error_code());
    }

    void operate(Bytes& bytes) {
        switch (bytes.take<uint8_t>() % 16) {
            case 0:
            case 1:
                return note(hw_->vmwrite(kSupportedFields[bytes.take<uint8_t>() % kSupportedFieldCount],
                                         bytes.take<uint64_t>()));
            case 2:
                return toggle_bit(bytes);
            case 3:
                return note(hw_->vmwrite(static_cast<F>(bytes.take<uint32_t>()), bytes.take<uint64_t>()));
            case 4:
                return write_guest(bytes.take<uint32_t>(), bytes.take(bytes.take<uint8_t>() % 32));
            case 5:
                return write_guest(kCode, bytes.take(bytes.take<uint8_t>() % 64));
            case 6:
                return write_ept(bytes);
            case 7:
                return gprs_.set(static_cast<x86::Gpr>(bytes.take<uint8_t>() % 16), bytes.take<uint64_t>());
            case 8:
                return raise(bytes);
            case 9:
                return invalidate(bytes);
            case 10:
                return change_vmcs(bytes);
            case 11:
                return note(
                    hw_->wrmsr(static_cast<x86::Msr>(bytes.take<uint32_t>()), bytes.take<uint64_t>()));
            case 12:
                return read(static_cast<F>(bytes.take<uint32_t>()));
            case 13:
                (void)hw_->vmwrite(F::GUEST_RIP, get(F::GUEST_RIP) + get(F::VM_EXIT_INSTRUCTION_LENGTH));
                return enter();
            default:
                return enter();
        }
    }

    uint64_t get(F field) {
        uint64_t value = 0;
        (void)hw_->vmread(field, value);
        return value;
    }
    void read(F field) {
        uint64_t value = 0;
        note(hw_->vmread(field, value));
        note(value);
    }
    void toggle_bit(Bytes& bytes) {
        const F field = kSupportedFields[bytes.take<uint8_t>() % kSupportedFieldCount];
        note(hw_->vmwrite(field, get(field) ^ uint64_t{1} << (bytes.take<uint8_t>() % 64)));
    }
    void raise(Bytes& bytes) {
        const auto vector = bytes.take<uint8_t>();
        switch (bytes.take<uint8_t>() % 4) {
            case 0:
                return hw_->raise_interrupt(vector);
            case 1:
                return hw_->raise_nmi();
            case 2:
                return hw_->raise_init();
            default:
                return hw_->raise_sipi(vector);
        }
    }
    void invalidate(Bytes& bytes) {
        const auto type = bytes.take<uint8_t>();
        const auto operand = bytes.take<uint64_t>();
        if ((type & 0x80) != 0) {
            const uint64_t pointer = (type & 0x40) != 0 ? eptp_ : operand;
            return note(hw_->invept(static_cast<x86::InveptType>(type % 8), {pointer, 0}));
        }
        note(hw_->invvpid(static_cast<x86::InvvpidType>(type % 8), {bytes.take<uint16_t>(), Gva(operand)}));
    }
    void change_vmcs(Bytes& bytes) {
        const auto which = bytes.take<uint8_t>();
        Hpa region = vmcs_[which & 1];
        if ((which & 0x40) != 0) region = Hpa(bytes.take<uint32_t>());
        note((which & 2) != 0 ? hw_->vmclear(region) : hw_->vmptrld(region));
    }

    // An exit comes at the latest when the slice is used up: pin-based control 0 is set.
    void enter() {
        if (entries_ == kEntries) return;
        ++entries_;
        constexpr F kPin = F::PIN_BASED_VM_EXECUTION_CONTROLS;
        (void)hw_->vmwrite(kPin, get(kPin) | x86::PinControls::EXTERNAL_INTERRUPT_EXITING);
        hw_->set_host_timer(hw_->rdtsc() + kSlice, 0x20);
        x86::VmxStatus status = hw_->vmresume(gprs_);
        if (!status.ok()) status = hw_->vmlaunch(gprs_);
        note(status);
        if (hw_->last_entry_failure() != nullptr) note(std::strlen(hw_->entry_explanation()->allowed));
        for (const F field : {F::EXIT_REASON, F::EXIT_QUALIFICATION, F::GUEST_RIP, F::GUEST_RFLAGS,
                              F::VM_EXIT_INTERRUPTION_INFORMATION, F::IDT_VECTORING_INFORMATION,
                              F::GUEST_PHYSICAL_ADDRESS, F::GUEST_LINEAR_ADDRESS})
            note(get(field));
        for (unsigned i = 0; i < x86::kGprCount; ++i) note(gprs_.get(static_cast<x86::Gpr>(i)));
        note(hw_->rdtsc());
    }

    void allocate(Hpa& frame) {
        if (!memory_.allocate_frame(frame)) std::abort();
    }
    template <class T>
    void put_host(Hpa at, T value) {
        std::memcpy(memory_.map(at), &value, sizeof value);
        memory_.note_write(at, sizeof value);
    }
    template <class T>
    void put(uint64_t at, T value) {
        put_host(ram_ + at, value);
    }
    void write_guest(uint64_t at, std::span<const uint8_t> bytes) {
        const uint64_t first = at % (kGuestBytes - 64);
        if (bytes.empty()) return;
        std::memcpy(memory_.map(ram_ + first), bytes.data(), bytes.size());
        memory_.note_write(ram_ + first, bytes.size());
    }
    // Any entry of any table; the address may be that of a table again.
    void write_ept(Bytes& bytes) {
        const auto where = bytes.take<uint16_t>();
        auto value = bytes.take<uint64_t>();
        if ((where & 0x8000) != 0) value = (value & 0xfff) | tables_[value >> 12 & 3].value();
        put_host(tables_[where >> 13 & 3] + (where % 16) * uint64_t{8}, value);
    }

    void build_ept() {
        if (!memory_.allocate_frames(kGuestBytes / 4096, 2u << 20, ram_)) std::abort();
        for (Hpa& table : tables_) allocate(table);
        for (unsigned i = 0; i < 3; ++i) put_host(tables_[i], tables_[i + 1].value() | x86::ept::RWX);
        for (uint64_t i = 0; i < kGuestBytes >> 21; ++i)
            put_host(tables_[2] + i * 8,
                     (ram_ + (i << 21)).value() | x86::ept::RWX | x86::ept::LARGE | 6u << 3);
        for (uint64_t i = 0; i < 512; ++i)
            put_host(tables_[3] + i * 8, (ram_ + i * 4096).value() | 6u << 3 | 7);
        eptp_ = x86::Eptp::make(tables_[0].value()).raw;
    }
    void build_guest() {
        put<uint64_t>(kPml4, 0x11007);
        put<uint64_t>(0x11000, 0x12007);
        for (uint64_t page = 0; page < kGuestBytes >> 21; ++page)
            put<uint64_t>(0x12000 + page * 8, page << 21 | 0x87);
        put<uint64_t>(values_.gdt + 0x08, 0x00af9b000000ffff);
        put<uint64_t>(values_.gdt + 0x10, 0x00cf93000000ffff);
        for (uint64_t vector = 0; vector < 256; ++vector) {
            const uint64_t handler = kHandlers + vector * 16;
            put<uint64_t>(kIdt + vector * 16,
                          (handler & 0xffff) | 0x08u << 16 | uint64_t{0x8e00} << 32 | (handler >> 16) << 48);
            put<uint16_t>(handler, 0xcf48);  // iretq
        }
        put<uint8_t>(kCode, 0xf4);
    }

    HostMemory memory_ = HostMemory::create(kHostBytes).value();
    std::unique_ptr<VmxProcessor> hw_;
    ValidVmcs values_;
    Gprs gprs_;
    Hpa vmxon_, ram_, vmcs_[2], tables_[4];
    uint64_t eptp_ = 0;
    unsigned entries_ = 0;
    uint64_t digest_ = 0xcbf29ce484222325;
};

}  // namespace

uint64_t vmx_input_digest(std::span<const uint8_t> bytes) {
    bool repeatable = true;
    return Hypervisor().run(Bytes(bytes), repeatable);
}

void run_vmx_input(std::span<const uint8_t> bytes) {
    bool repeatable[2];
    const uint64_t first = Hypervisor().run(Bytes(bytes), repeatable[0]);
    constexpr uint64_t kSeldom = 8;  // the second run costs as much as looking at something new
    if (first % kSeldom != 0) return;
    const uint64_t second = Hypervisor().run(Bytes(bytes), repeatable[1]);
    if (first == second || !repeatable[0] || !repeatable[1]) return;
    std::fprintf(stderr, "the same bytes did something else the second time\n");
    std::abort();
}

}  // namespace vtless::sim
