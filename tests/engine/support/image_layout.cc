// SPDX-License-Identifier: MIT
#include "tests/engine/support/image_layout.h"

#include <algorithm>
#include <set>

namespace vtless::engine_test {
namespace {

constexpr uint64_t kCode = 0x100000;

// Two states that share no field's value: what is at a field's offset in both images is that field.
struct Sample {
    GuestState state;
    Intercepts intercepts;
    uint64_t tsc_aux, pat, dr0;
};

Sample make_sample(uint64_t n) {
    Sample s{GuestState::long_mode(kCode), Intercepts::usual(), 0x7a7a0000 + n,
             0x0007040600070405 + (n << 40), 0x77770000 + n};
    GuestState& g = s.state;
    uint64_t value = 0x5a00'0000'0000'0000 + (n << 32);
    for (uint64_t* word : {&g.star, &g.lstar, &g.cstar, &g.sfmask, &g.kernel_gs_base, &g.sysenter_esp,
                           &g.sysenter_eip, &g.cr2, &g.rax, &g.es.base, &g.ss.base, &g.ds.base, &g.fs.base,
                           &g.gs.base, &g.ldtr.base, &g.tr.base, &g.gdtr.base, &g.idtr.base})
        *word = ++value;
    g.cs.base = 0;  // 64-bit code: where RIP is looked for
    g.sysenter_cs = 0x5a000100 + n;
    g.cr3 = 0x5a0000000 + (n << 12);
    g.dr6 = 0xffff0ff0 + n;
    g.dr7 = 0x400 + (n << 16);
    g.cr0 = 0x80050033 | (n & 1) << 18;
    g.cr4 = n & 1 ? 0x6a0 : 0x6b0;
    g.efer = n & 1 ? 0xd01 : 0xd00;
    const auto word = [&](unsigned i) { return static_cast<uint16_t>(0x5e00 + 16 * n + i); };
    s.intercepts.cr_read = word(1), s.intercepts.cr_write = word(2);
    s.intercepts.dr_read = word(3), s.intercepts.dr_write = word(4);
    s.intercepts.exceptions = static_cast<uint32_t>(0x5f5f2040 + n);
    s.intercepts.instructions ^= n << 50;
    return s;
}

class Prober {
  public:
    explicit Prober(ImageLayout& layout) : layout_(layout) {}

    // Narrows a field to the offsets that hold `value` in this image too.
    template <class T>
    void narrow(size_t& field, const char* name, const Image& image, T value) {
        std::set<size_t>& candidates = candidates_[index_of(name)].second;
        std::set<size_t> here = image.find(value), both;
        std::erase_if(here, [](size_t at) { return at % sizeof(T) != 0; });
        if (!seen(name))
            both = here;
        else
            std::set_intersection(here.begin(), here.end(), candidates.begin(), candidates.end(),
                                  std::inserter(both, both.end()));
        seen_.insert(name);
        candidates = both;
        field = both.empty() ? 0 : *both.begin();
    }

    void finish() {
        for (const auto& [name, offsets] : candidates_)
            if (offsets.size() != 1)
                layout_.problem += name + " found " + std::to_string(offsets.size()) + " times; ";
    }

  private:
    bool seen(const std::string& name) const { return seen_.contains(name); }
    size_t index_of(const std::string& name) {
        for (size_t i = 0; i < candidates_.size(); ++i)
            if (candidates_[i].first == name) return i;
        candidates_.emplace_back(name, std::set<size_t>{});
        return candidates_.size() - 1;
    }

    ImageLayout& layout_;
    std::vector<std::pair<std::string, std::set<size_t>>> candidates_;
    std::set<std::string> seen_;
};

void write_msr(BareMachine& m, uint32_t id, uint64_t value) {
    uc_x86_msr msr{id, value};
    uc_reg_write(m.uc(), UC_X86_REG_MSR, &msr);
}

void probe_loaded_state(Prober& p, ImageLayout& l, uint64_t n) {
    const Sample s = make_sample(n);
    BareMachine m(BareMachine::HostSetup([&](BareMachine& machine) {
        write_msr(machine, 0xc0000103, s.tsc_aux);
        write_msr(machine, 0x277, s.pat);
    }));
    m.load(s.state, s.intercepts);
    m.set_reg(UC_X86_REG_DR0, s.dr0);
    m.set_reg(UC_X86_REG_RIP, 0x123456780000 + n);
    const Image i(m);
    const GuestState& g = s.state;
    p.narrow(l.rax, "rax", i, g.rax), p.narrow(l.rip, "rip", i, 0x123456780000 + n);
    const struct {
        size_t* at;
        const char* name;
        const Segment* segment;
    } segments[] = {{&l.es, "es", &g.es}, {&l.ss, "ss", &g.ss},       {&l.ds, "ds", &g.ds},
                    {&l.fs, "fs", &g.fs}, {&l.gs, "gs", &g.gs},       {&l.ldtr, "ldtr", &g.ldtr},
                    {&l.tr, "tr", &g.tr}, {&l.gdtr, "gdtr", &g.gdtr}, {&l.idtr, "idtr", &g.idtr}};
    for (const auto& segment : segments) {
        p.narrow(*segment.at, segment.name, i, segment.segment->base);
        *segment.at -= ImageLayout::kBase;
    }
    p.narrow(l.cr0, "cr0", i, g.cr0), p.narrow(l.cr2, "cr2", i, g.cr2), p.narrow(l.cr3, "cr3", i, g.cr3);
    p.narrow(l.cr4, "cr4", i, g.cr4), p.narrow(l.efer, "efer", i, g.efer | 0x1000);
    p.narrow(l.sysenter_cs, "sysenter_cs", i, static_cast<uint32_t>(g.sysenter_cs));
    p.narrow(l.sysenter_esp, "sysenter_esp", i, g.sysenter_esp);
    p.narrow(l.sysenter_eip, "sysenter_eip", i, g.sysenter_eip);
    p.narrow(l.star, "star", i, g.star), p.narrow(l.lstar, "lstar", i, g.lstar);
    p.narrow(l.cstar, "cstar", i, g.cstar), p.narrow(l.fmask, "fmask", i, g.sfmask);
    p.narrow(l.kernel_gs_base, "kernel_gs_base", i, g.kernel_gs_base);
    p.narrow(l.tsc_aux, "tsc_aux", i, s.tsc_aux), p.narrow(l.pat, "pat", i, s.pat);
    p.narrow(l.dr0, "dr0", i, s.dr0), p.narrow(l.dr6, "dr6", i, g.dr6), p.narrow(l.dr7, "dr7", i, g.dr7);
    p.narrow(l.intercept, "intercept", i, s.intercepts.with(SvmExit::HLT).instructions);
    p.narrow(l.intercept_cr_read, "intercept_cr_read", i, s.intercepts.cr_read);
    p.narrow(l.intercept_cr_write, "intercept_cr_write", i, s.intercepts.cr_write);
    p.narrow(l.intercept_dr_read, "intercept_dr_read", i, s.intercepts.dr_read);
    p.narrow(l.intercept_dr_write, "intercept_dr_write", i, s.intercepts.dr_write);
    p.narrow(l.intercept_exceptions, "intercept_exceptions", i, s.intercepts.exceptions);
}

// #GP with a selector as its error code; AX holds the selector too, so RBX takes its place.
void probe_error_code(Prober& p, ImageLayout& l, uint16_t selector) {
    BareMachine m;
    m.code(kCode, {0x8e, 0xd8});  // mov ds, ax
    m.load(GuestState::long_mode(kCode));
    m.set_reg(UC_X86_REG_RAX, selector);
    m.resume();
    m.set_reg(UC_X86_REG_RAX, 0);
    p.narrow(l.error_code, "error_code", Image(m), static_cast<uint32_t>(selector & ~3u));
}

// The arithmetic and direction flags live apart from RFLAGS while code runs.
void place_flags(ImageLayout& l) {
    l.rflags = l.rip + 8;
    l.cc_src = l.rip + 24;
    l.cc_op = l.rip + 40;
    l.df = l.rip + 44;
    l.hflags = l.rip + 48;
    l.cs = l.es + ImageLayout::kSegmentSize;
}

ImageLayout probe() {
    ImageLayout layout{};
    Prober prober(layout);
    for (uint64_t n : {1u, 2u, 5u}) probe_loaded_state(prober, layout, n);
    for (uint16_t selector : {uint16_t{0x1234}, uint16_t{0x5674}, uint16_t{0x2450}})
        probe_error_code(prober, layout, selector);
    prober.finish();
    place_flags(layout);
    return layout;
}

}  // namespace

const ImageLayout& ImageLayout::get() {
    static const ImageLayout layout = probe();
    return layout;
}

uint32_t ImageLayout::hflags_for(const Image& i) const {
    constexpr uint32_t kDescB = 1u << 22, kDescL = 1u << 21;
    constexpr uint64_t kVm = 1u << 17;
    const auto flags = [&](size_t segment) { return i.get<uint32_t>(segment + kFlags); };
    const auto base = [&](size_t segment) { return i.get<uint64_t>(segment + kBase); };
    const auto control0 = i.get<uint64_t>(cr0), control4 = i.get<uint64_t>(cr4),
               rfl = i.get<uint64_t>(rflags);
    const bool pe = control0 & 1, lma = i.get<uint64_t>(efer) & 0x400, vm = rfl & kVm;
    uint32_t h = kHfGuest | kHfSvme | ((flags(ss) >> 13) & kHfCplMask);
    h |= static_cast<uint32_t>(control0 & 0xe) << 8;  // MP, EM, TS
    if (pe) h |= kHfPe;
    if (lma) h |= kHfLma;
    if (control4 & (1u << 9)) h |= kHfOsfxsr;
    if (control4 & (1u << 21)) h |= kHfSmap;
    if (lma && (flags(cs) & kDescL)) return h | kHfCs64 | kHfCs32 | kHfSs32;
    if (flags(cs) & kDescB) h |= kHfCs32;
    if (flags(ss) & kDescB) h |= kHfSs32;
    if (!pe || vm || !(h & kHfCs32) || (base(ds) | base(es) | base(ss)) != 0) h |= kHfAddSeg;
    return h;
}

}  // namespace vtless::engine_test
