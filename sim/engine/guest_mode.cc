// SPDX-License-Identifier: MIT
#include "sim/engine/guest_mode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "isa/x86/control_regs.h"
#include "sim/engine/image_layout.h"

namespace vtless::sim {
namespace {

using x86::Gpr;
using x86::SegmentRegister;

constexpr size_t kTrampoline = EnginePages::kTrampoline;
constexpr size_t kProbeCode = EnginePages::kProbeCode;
constexpr size_t kVmcb = EnginePages::kVmcb;
constexpr size_t kSave = kVmcb + 0x400;
constexpr size_t kHostSave = EnginePages::kHostSave;
constexpr size_t kMsrMap = EnginePages::kMsrMap;

// SVM exit codes as UC_HOOK_INTR reports them. AMD APM vol. 2, appendix C.
constexpr uint32_t kSvmExit = 0x100;
constexpr uint32_t kExitException = 0x40;
constexpr uint32_t kExitHlt = 0x78;

// Sentinels: no two are equal, none occurs by itself.
constexpr uint64_t sentinel(unsigned n) { return 0x0000'5a11'0000'1000ull + n * 0x0101'0000ull; }

class Probe {
  public:
    Probe(Unicorn& unicorn, EnginePages& pages, const uint32_t& stop_code)
        : unicorn_(unicorn), pages_(pages.bytes), stop_code_(stop_code) {}

    Expected<void, std::string> run() {
        prepare_host();
        prepare_vmcb();
        if (!run_code(kEnginePages + kTrampoline, {0xf4}, kExitHlt)) return mismatch("VMRUN into guest mode");
        check_vmcb_fields();
        check_mode_flags();
        if (!bad_.empty()) return report();
        load_state();
        if (!check_error_code()) return mismatch("the error code of an exception");
        if (!check_xcr0()) return mismatch("XCR0");
        if (!check_fault_address()) return mismatch("the address of a refused access");
        if (!unicorn_.locate_state()) return mismatch("the processor's own state");
        clean_state();
        return {};
    }

  private:
    template <class T>
    void put(size_t offset, T value) {
        std::memcpy(pages_ + offset, &value, sizeof value);
    }
    template <class T>
    T image(size_t offset) const {
        T value;
        std::memcpy(&value, unicorn_.image() + offset, sizeof value);
        return value;
    }
    template <class T>
    void expect(const char* what, size_t offset, T value) {
        if (image<T>(offset) != value) bad_.push_back(what);
    }

    Expected<void, std::string> mismatch(const char* what) {
        bad_.push_back(what);
        return report();
    }
    Expected<void, std::string> report() const {
        std::string list;
        for (const char* what : bad_) list += fmt::format("{}{}", list.empty() ? "" : ", ", what);
        return Unexpected(fmt::format("Unicorn {} keeps its state elsewhere than the supported 2.1 does: {}",
                                      Unicorn::version(), list));
    }

    // The host side must page in long mode with PAE, or VMRUN drops the guest's CR0.
    void prepare_host() {
        static constexpr uint8_t kVmloadVmrun[] = {0x0f, 0x01, 0xda, 0x0f, 0x01, 0xd8};
        std::memcpy(pages_ + kTrampoline, kVmloadVmrun, sizeof kVmloadVmrun);
        std::memset(pages_ + kMsrMap, 0xff, 0x2000);
        unicorn_.write(UC_X86_REG_CR4, 0x6a0);
        unicorn_.write(UC_X86_REG_CR0, 0x80050033);
        unicorn_.write_msr(0xc0000080, 0x1501);
        unicorn_.write_msr(0xc0010117, kEnginePages + kHostSave);
        unicorn_.write_msr(0xc0000103, static_cast<uint32_t>(sentinel(40)));
        for (unsigned i = 1; i < 16; ++i) unicorn_.write(static_cast<Gpr>(i), sentinel(i));
        unicorn_.write(Gpr::RAX, kEnginePages + kVmcb);
    }

    void vmcb_segment(size_t offset, uint16_t selector, uint16_t rights, uint64_t base) {
        put<uint16_t>(kSave + offset, selector);
        put<uint16_t>(kSave + offset + 2, rights);
        put<uint32_t>(kSave + offset + 4, rights & 0x800 ? ~0u : 0xffffu);
        put<uint64_t>(kSave + offset + 8, base);
    }

    void prepare_vmcb() {
        const InterceptMasks masks = intercept_masks({});
        put<uint16_t>(kVmcb + 0, masks.cr_read);
        put<uint16_t>(kVmcb + 2, masks.cr_write);
        put<uint32_t>(kVmcb + 4, ~0u);  // debug registers
        put<uint32_t>(kVmcb + 8, ~0u);  // exceptions
        put<uint64_t>(kVmcb + 12, masks.instructions);
        put<uint64_t>(kVmcb + 0x48, kEnginePages + kMsrMap);
        put<uint32_t>(kVmcb + 0x58, 1);  // ASID
        vmcb_segment(0x00, 0x10, 0xc93, sentinel(16));
        vmcb_segment(0x10, 0x08, 0xa9b, 0);
        vmcb_segment(0x20, 0x10, 0xc93, sentinel(18));
        vmcb_segment(0x30, 0x10, 0xc93, sentinel(19));
        vmcb_segment(0x40, 0x10, 0xc93, sentinel(20));
        vmcb_segment(0x50, 0x10, 0xc93, sentinel(21));
        vmcb_segment(0x60, 0, 0, sentinel(24));
        vmcb_segment(0x70, 0x28, 0x082, sentinel(22));
        vmcb_segment(0x80, 0, 0, sentinel(25));
        vmcb_segment(0x90, 0x18, 0x08b, sentinel(23));
        put<uint64_t>(kSave + 0xd0, layout::kEferSvme | x86::efer::SCE | x86::efer::LME | x86::efer::LMA);
        put<uint64_t>(kSave + 0x148, 0x6a0);
        put<uint64_t>(kSave + 0x150, 0x7654'3000);
        put<uint64_t>(kSave + 0x158, 0x80050033);
        put<uint64_t>(kSave + 0x160, 0x400);
        put<uint64_t>(kSave + 0x168, 0xffff0ff0);
        put<uint64_t>(kSave + 0x170, 0x202);
        put<uint64_t>(kSave + 0x178, kEnginePages + kProbeCode);
        put<uint64_t>(kSave + 0x1d8, sentinel(4));
        put<uint64_t>(kSave + 0x1f8, sentinel(0));
        for (unsigned i = 0; i < 8; ++i)
            put<uint64_t>(kSave + 0x200 + uint64_t{8} * i, sentinel(26 + i));  // STAR ... SYSENTER_EIP
        put<uint64_t>(kSave + 0x240, sentinel(34));                            // CR2
    }

    // Puts code at the probe address and runs from `rip`; true when it stops at the interception.
    bool run_code(uint64_t rip, std::initializer_list<uint8_t> code, uint32_t exit) {
        std::transform(code.begin(), code.end(), pages_ + kProbeCode,
                       [](uint8_t byte) { return std::byte{byte}; });
        unicorn_.drop_code(kEnginePages + kProbeCode, kEnginePages + kProbeCode + code.size());
        const uc_err error = unicorn_.start(rip);
        unicorn_.save();
        return error == UC_ERR_OK && stop_code_ == kSvmExit + exit;
    }
    bool run_probe(std::initializer_list<uint8_t> code, uint32_t exit) {
        return run_code(kEnginePages + kProbeCode, code, exit);
    }

    void check_vmcb_fields() {
        using namespace layout;
        for (unsigned i = 0; i < 16; ++i) expect("a general register", kGprs + size_t{8} * i, sentinel(i));
        expect("RIP", kRip, kEnginePages + kProbeCode);
        expect<uint64_t>("RFLAGS", kRflags, 0x202);
        expect<int32_t>("the direction flag", kDirection, 1);
        static constexpr unsigned kBases[] = {16, 0, 18, 19, 20, 21, 22, 23};
        for (size_t i = 0; i < std::size(kBases); ++i) {
            if (i == 1) continue;  // CS: its base is 0
            expect("a segment base", kSegments + i * kSegmentSize + kSegmentBase, sentinel(kBases[i]));
        }
        expect<uint32_t>("a selector", kSegments + 7 * kSegmentSize + kSegmentSelector, 0x18);
        expect<uint32_t>("a segment limit", kSegments + 7 * kSegmentSize + kSegmentLimit, 0xffff);
        expect<uint32_t>("segment flags", kSegments + 3 * kSegmentSize + kSegmentFlags, 0x00c09300);
        expect("GDTR", kGdtr + kSegmentBase, sentinel(24));
        expect("IDTR", kIdtr + kSegmentBase, sentinel(25));
        expect<uint64_t>("CR0", kCr0, 0x80050033);
        expect("CR2", kCr2, sentinel(34));
        expect<uint64_t>("CR3", kCr3, 0x7654'3000);
        expect<uint64_t>("CR4", kCr4, 0x6a0);
        expect<uint64_t>("EFER", kEfer, kEferSvme | 0x501);
        expect("STAR", kStar, sentinel(26));
        expect("LSTAR", kLstar, sentinel(27));
        expect("CSTAR", kCstar, sentinel(28));
        expect("FMASK", kFmask, sentinel(29));
        expect("KERNEL_GS_BASE", kKernelGsBase, sentinel(30));
        expect("SYSENTER_CS", kSysenterCs, static_cast<uint32_t>(sentinel(31)));
        expect("SYSENTER_ESP", kSysenterEsp, sentinel(32));
        expect("SYSENTER_EIP", kSysenterEip, sentinel(33));
        expect("TSC_AUX", kTscAux, static_cast<uint32_t>(sentinel(40)));
        const InterceptMasks masks = intercept_masks({});
        expect("the instruction intercepts", kIntercepts, masks.instructions);
        expect("the CR read intercepts", kInterceptCrRead, masks.cr_read);
        expect("the CR write intercepts", kInterceptCrWrite, masks.cr_write);
        expect<uint16_t>("the DR intercepts", kInterceptDrWrite, 0xffff);
        expect<uint32_t>("the exception intercepts", kInterceptExceptions, ~0u);
    }

    void check_mode_flags() {
        const auto before = image<uint32_t>(layout::kHflags);
        CpuState state(unicorn_.image());
        state.sync_mode();
        expect("the mode flags", layout::kHflags, before);
    }

    // Flat segments and an empty GDT, for the probes that run code.
    void load_state() {
        CpuState state(unicorn_.image());
        for (const auto index : {SegmentRegister::ES, SegmentRegister::SS, SegmentRegister::DS,
                                 SegmentRegister::FS, SegmentRegister::GS}) {
            state.set_segment_base(index, 0);
        }
        state.set_gdtr({kEnginePages + kProbeCode, 0});
        state.sync_mode();
        unicorn_.restore();
    }

    bool check_error_code() {
        // mov edx, 0x1238; mov ds, edx: beyond the GDT
        if (!run_probe({0xba, 0x38, 0x12, 0x00, 0x00, 0x8e, 0xda}, kExitException + 13)) return false;
        return image<int32_t>(layout::kErrorCode) == 0x1238;
    }

    bool check_xcr0() {
        CpuState state(unicorn_.image());
        state.set_xcr0(3);
        state.set_cr4(state.cr4() | x86::cr4::OSXSAVE);
        state.sync_mode();
        unicorn_.restore();
        // xor ecx, ecx; xgetbv; hlt
        if (!run_probe({0x31, 0xc9, 0x0f, 0x01, 0xd0, 0xf4}, kExitHlt)) return false;
        return unicorn_.read(Gpr::RAX) == 3;
    }

    bool check_fault_address() {
        unicorn_.write(Gpr::RAX, kRefusedAddress);
        run_probe({0x48, 0x8b, 0x18}, kExitHlt);  // mov rbx, [rax]
        return unicorn_.fault_address() == kRefusedAddress;
    }

    void clean_state() {
        CpuState state(unicorn_.image());
        for (unsigned i = 0; i < 16; ++i) state.set_gpr(static_cast<Gpr>(i), 0);
        for (unsigned i = 0; i < 8; ++i) {
            state.set_segment(static_cast<SegmentRegister>(i), {0, 0, 0xffff, {0x93}});
        }
        state.set_segment(SegmentRegister::CS, {0, 0, 0xffff, {0x9b}});
        state.set_segment(SegmentRegister::LDTR, {0, 0, 0xffff, {0x82}});
        state.set_segment(SegmentRegister::TR, {0, 0, 0xffff, {0x8b}});
        state.set_gdtr({0, 0xffff});
        state.set_idtr({0, 0xffff});
        state.set_cr0(x86::cr0::ET);
        state.set_cr2(0);
        state.set_cr3(0);
        state.set_cr4(0);
        state.set_efer(0);
        state.set_xcr0(1);
        state.set_star(0);
        state.set_lstar(0);
        state.set_cstar(0);
        state.set_fmask(0);
        state.set_kernel_gs_base(0);
        state.set_sysenter_cs(0);
        state.set_sysenter_esp(0);
        state.set_sysenter_eip(0);
        state.set_tsc_aux(0);
        state.set_rflags(0);
        state.set_rip(0);
        state.set_cpl(0);
        state.sync_mode();
        unicorn_.restore();
    }

    Unicorn& unicorn_;
    std::byte* pages_;
    const uint32_t& stop_code_;
    std::vector<const char*> bad_;
};

}  // namespace

// Bits of the two instruction-intercept words, numbered from SVM exit code 0x60.
InterceptMasks intercept_masks(OptionalStops optional) {
    constexpr auto mask = [](std::initializer_list<unsigned> codes) {
        uint64_t bits = 0;
        for (const unsigned code : codes) bits |= uint64_t{1} << (code - 0x60);
        return bits;
    };
    // LTR among them: Unicorn's loads a null selector without a word.
    uint64_t instructions = mask({0x6d, 0x6f, 0x72, 0x73, 0x75, 0x76, 0x78, 0x79, 0x7a, 0x7c, 0x7f,
                                  0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x88, 0x89, 0x8a, 0x8b});
    // Unicorn's RDTSCP looks at the bit of RDTSC, and at none of its own.
    if (optional.has(OptionalStops::kRdtsc | OptionalStops::kRdtscp)) instructions |= mask({0x6e});
    if (optional.has(OptionalStops::kPause)) instructions |= mask({0x77});
    if (optional.has(OptionalStops::kIret)) instructions |= mask({0x74});
    if (optional.has(OptionalStops::kDescriptorTables))
        instructions |= mask({0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c});
    constexpr uint16_t kCr0Cr3Cr4Cr8 = 1u << 0 | 1u << 3 | 1u << 4 | 1u << 8;
    return {instructions, kCr0Cr3Cr4Cr8, kCr0Cr3Cr4Cr8};
}

Expected<void, std::string> enter_guest_mode(Unicorn& unicorn, EnginePages& pages,
                                             const uint32_t& stop_code) {
    return Probe(unicorn, pages, stop_code).run();
}

}  // namespace vtless::sim
