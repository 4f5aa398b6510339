// SPDX-License-Identifier: MIT
#include "tests/conformance/support/start.h"

#include <cstring>
#include <stdexcept>

#include "isa/x86/control_regs.h"
#include "isa/x86/paging.h"
#include "isa/x86/rflags.h"
#include "tests/conformance/support/layout.h"

namespace vtless::conformance {
namespace {

using vmx::GuestEntryState;
using x86::Segment;
using x86::SegmentRegister;

bool is_long(Mode mode) { return mode == Mode::Long || mode == Mode::Compat; }

constexpr uint32_t kData32 = 0xc093;
constexpr uint32_t kFlat = 0xffffffff;

struct Descriptor {
    uint16_t selector;
    uint32_t limit;
    uint32_t rights;
};
constexpr Descriptor kCodeAndData[] = {
    {layout::kCode64, kFlat, 0xa09b},
    {layout::kData, kFlat, kData32},
    {layout::kUserCode32, kFlat, 0xc0fb},
    {layout::kUserData, kFlat, 0xc0f3},
    {layout::kUserCode64, kFlat, 0xa0fb},
    {0x33, kFlat, 0xc0f3},
    {layout::kCode32, kFlat, 0xc09b},
    {layout::kCode16, 0xffff, 0x9b},
    {layout::kData16, 0xffff, 0x93},
    {0x70, kFlat, 0xc09b},
    {0x78, kFlat, kData32},
    {0x80, kFlat, 0xc0fb},
    {0x88, kFlat, 0xc0f3},
};
constexpr uint32_t kTssLimit = 0x68 + 0x80;  // an I/O bitmap for ports below 0x400, and its last byte
constexpr uint16_t kGdtLimit = 0x8f;

Segment segment(uint16_t selector) {
    for (const Descriptor& known : kCodeAndData)
        if (known.selector == selector) return {selector, 0, known.limit, {known.rights}};
    throw std::runtime_error("no such selector");
}

void set_segments(GuestEntryState& state, uint16_t code, uint16_t data) {
    for (unsigned i = 0; i < 6; ++i) state.segments[i] = segment(data);
    state.segment(SegmentRegister::CS) = segment(code);
    state.segment(SegmentRegister::LDTR) = {0, 0, 0, {x86::AccessRights::kUnusable}};
    state.segment(SegmentRegister::TR) = {layout::kTssSelector, layout::kTss, kTssLimit, {0x8b}};
    state.gdtr = {layout::kGdt, kGdtLimit};
    state.idtr = {layout::kIdt, 0xfff};
}

// All segments at base 0, limit FFFF, DPL 3: what virtual-8086 mode demands.
void set_v86(GuestEntryState& state) {
    for (unsigned i = 0; i < 6; ++i) state.segments[i] = {0, 0, 0xffff, {0xf3}};
    state.rflags |= x86::rflags::VM | x86::rflags::IOPL;
}

void set_segments(GuestEntryState& state, Mode mode, Ring ring) {
    const bool user = ring == Ring::User;
    const uint16_t data = user ? layout::kUserData : layout::kData;
    switch (mode) {
        case Mode::Real:
            return;
        case Mode::Protected16:
            return set_segments(state, layout::kCode16, layout::kData16);
        case Mode::Long:
            return set_segments(state, user ? layout::kUserCode64 : layout::kCode64, data);
        case Mode::V86:
            set_segments(state, layout::kCode32, layout::kData);
            return set_v86(state);
        case Mode::Protected32:
        case Mode::Paging32:
        case Mode::Pae:
        case Mode::Compat:
            return set_segments(state, user ? layout::kUserCode32 : layout::kCode32, data);
    }
}

void set_control_registers(GuestEntryState& state, Mode mode) {
    using namespace x86;
    if (mode == Mode::Real) return;
    state.cr0 = cr0::PE | cr0::ET | cr0::NE | cr0::WP;
    state.cr3 = layout::kTopTable;
    state.cr4 = cr4::OSFXSR | cr4::OSXMMEXCPT;
    if (mode == Mode::Paging32 || mode == Mode::Pae || mode == Mode::V86 || is_long(mode))
        state.cr0 |= cr0::PG;
    if (mode == Mode::Paging32 || mode == Mode::V86) state.cr4 |= cr4::PSE;
    if (mode == Mode::Pae || is_long(mode)) state.cr4 |= cr4::PAE;
    if (mode == Mode::Pae) state.efer = efer::NXE;
    if (is_long(mode)) state.efer = efer::LME | efer::LMA | efer::NXE | efer::SCE;
}

class Writer {
  public:
    explicit Writer(vmm::GuestMemory& memory) : memory_(memory) {}
    template <class T>
    void put(uint64_t address, T value) {
        uint8_t bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        if (!memory_.write(Gpa(address), bytes)) throw std::runtime_error("outside the guest's memory");
    }

  private:
    vmm::GuestMemory& memory_;
};

void put_gdt(Writer& writer, Mode mode) {
    for (const Descriptor& known : kCodeAndData) {
        const Segment described{known.selector, 0, known.limit, {known.rights}};
        writer.put(layout::kGdt + x86::selector_offset(known.selector),
                   x86::descriptor_from_segment(described));
    }
    constexpr uint32_t kBusy = 0x8b;
    constexpr uint32_t kAvailable = 0x89;
    const Segment tss{layout::kTssSelector, layout::kTss, kTssLimit, {kBusy}};
    writer.put(layout::kGdt + layout::kTssSelector, x86::descriptor_from_segment(tss));
    if (is_long(mode)) return;
    const Segment other{layout::kOtherTss, layout::kTss + 0x200, 0x67, {kAvailable}};
    writer.put(layout::kGdt + layout::kOtherTss, x86::descriptor_from_segment(other));
}

// SDM Vol. 3A "32-Bit Task-State Segment" (7.2.1), "64-Bit Task State Segment" (7.7).
void put_tss(Writer& writer, Mode mode) {
    if (mode == Mode::Real || mode == Mode::Protected16) return;
    if (is_long(mode)) {
        writer.put(layout::kTss + 4, layout::kInnerStack);
        writer.put(layout::kTss + 0x24, layout::kIst1);
    } else {
        writer.put(layout::kTss + 4, static_cast<uint32_t>(layout::kInnerStack));
        writer.put(layout::kTss + 8, uint32_t{layout::kData});
    }
    writer.put(layout::kTss + 0x66, uint16_t{0x68});
    for (unsigned port = 0; port <= 0x400; port += 8) {
        const bool end = port / 8 == layout::kEndPort / 8;
        writer.put(layout::kTss + 0x68 + port / 8,
                   static_cast<uint8_t>(end ? ~(1u << layout::kEndPort % 8) : 0xff));
    }
}

uint64_t leaf(uint64_t address, bool all_user = false) {
    const bool user = all_user || layout::is_user_page(address);
    return address | x86::pte::P | x86::pte::RW | (user ? x86::pte::US : 0);
}

void put_paging(Writer& writer, Mode mode) {
    constexpr uint64_t kTable = x86::pte::P | x86::pte::RW | x86::pte::US;
    constexpr uint64_t kPage = 4096;
    constexpr uint64_t kDevice = layout::kDeviceBase | x86::pte::P | x86::pte::RW | x86::pte::PS;
    if (mode == Mode::Paging32 || mode == Mode::V86) {
        writer.put(layout::kTopTable, static_cast<uint32_t>(layout::kPageTable | kTable));
        for (uint64_t page = 0; page < layout::kRamBytes; page += kPage)
            writer.put(layout::kPageTable + page / kPage * 4,
                       static_cast<uint32_t>(leaf(page, mode == Mode::V86)));
        writer.put(layout::kTopTable + (layout::kDeviceBase >> 22) * 4, static_cast<uint32_t>(kDevice));
        return;
    }
    if (mode == Mode::Pae) {
        writer.put(layout::kTopTable, layout::kDirectory | x86::pte::P);
    } else if (is_long(mode)) {
        writer.put(layout::kTopTable, layout::kPdpt | kTable);
        writer.put(layout::kPdpt, layout::kDirectory | kTable);
    } else {
        return;
    }
    writer.put(layout::kDirectory, layout::kPageTable | kTable);
    writer.put(layout::kDirectory + (layout::kDeviceBase >> 21) * 8, kDevice);
    writer.put(layout::kDirectory + 8, layout::kSmallPages | x86::pte::P | x86::pte::RW | x86::pte::PS);
    for (uint64_t page = 0; page < layout::kSmallPages; page += kPage)
        writer.put(layout::kPageTable + page / kPage * 8, leaf(page));
}

struct GateLabel {
    unsigned vector = 0;
    bool dpl3 = false, trap = false, ist1 = false, narrow = false, absent = false;

    // False if the label is not a gate's.
    static bool parse(const std::string& label, GateLabel& gate) {
        static const std::string kPrefix = "vector_";
        if (label.rfind(kPrefix, 0) != 0) return false;
        const auto has = [&](const char* option) { return label.find(option) != std::string::npos; };
        gate.vector = static_cast<unsigned>(std::stoul(label.substr(kPrefix.size())));
        gate.dpl3 = has("_dpl3");
        gate.trap = has("_trap");
        gate.ist1 = has("_ist1");
        gate.narrow = has("_16bit");
        gate.absent = has("_absent");
        return true;
    }
};

// SDM Vol. 3A "IDT Descriptors" (6.11), "64-Bit Mode IDT" (6.14.1).
void put_gate(Writer& writer, const GateLabel& gate, uint64_t handler, Mode mode) {
    if (mode == Mode::Real) return writer.put(gate.vector * uint64_t{4}, static_cast<uint32_t>(handler));
    const bool narrow = gate.narrow || mode == Mode::Protected16;
    const uint64_t type = (narrow ? 6u : 14u) | (gate.trap ? 1u : 0u);
    uint64_t selector = mode == Mode::Protected16 ? layout::kCode16 : layout::kCode32;
    if (is_long(mode)) selector = layout::kCode64;
    const uint64_t ist = gate.ist1 ? uint64_t{1} << 32 : 0;
    const uint64_t flags =
        type << 40 | (gate.dpl3 ? uint64_t{3} << 45 : 0) | (gate.absent ? 0 : uint64_t{1} << 47);
    writer.put(layout::kIdt + gate.vector * (is_long(mode) ? 16ul : 8ul),
               handler | selector << 16 | ist | flags);
}

}  // namespace

GuestEntryState entry_state(Mode mode, Ring ring) {
    GuestEntryState state = GuestEntryState::real_mode();
    state.idtr = {0, 0x3ff};
    state.gdtr = {layout::kGdt, kGdtLimit};
    set_segments(state, mode, ring);
    set_control_registers(state, mode);
    const bool user = ring == Ring::User;
    state.gprs[static_cast<unsigned>(x86::Gpr::RSP)] = user ? layout::kUserStack : layout::kStack;
    return state;
}

void fill_memory(vmm::GuestMemory& memory, const Image& image, Mode mode) {
    if (!memory.write(Gpa(layout::kImage), image.bytes())) throw std::runtime_error("the image does not fit");
    Writer writer(memory);
    put_gdt(writer, mode);
    put_tss(writer, mode);
    put_paging(writer, mode);
    for (const auto& [label, address] : image.symbols()) {
        GateLabel gate;
        if (GateLabel::parse(label, gate)) put_gate(writer, gate, address, mode);
    }
}

}  // namespace vtless::conformance
