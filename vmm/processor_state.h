// SPDX-License-Identifier: MIT
// A processor's state for people: what a hypervisor developer wants to see when a guest has failed.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "isa/entry_explanation.h"
#include "isa/x86/registers.h"
#include "isa/x86/segment.h"

namespace vtless::vmm {

struct ProcessorState {
    std::array<uint64_t, x86::kGprCount> gprs{};
    uint64_t rip = 0;
    uint64_t rflags = 0;
    uint64_t cr0 = 0;
    uint64_t cr2 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    uint64_t efer = 0;
    std::array<x86::Segment, x86::kSegmentRegisterCount> segments{};
    x86::DescriptorTable gdtr;
    x86::DescriptorTable idtr;
    // The exit's fields by the SDM's names.
    std::vector<std::pair<std::string, uint64_t>> exit_information;
    std::string note;           // more about the exit, for people; may be empty
    std::vector<uint8_t> code;  // at CS:RIP, as many as can be fetched up to 16
};

// Several lines, each ended by a newline.
std::string describe(const ProcessorState& state);

// Several lines: the check of VM entry that failed, what it asks for, what the field holds and could hold.
std::string describe(const EntryExplanation& why);

}  // namespace vtless::vmm
