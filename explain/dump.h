// SPDX-License-Identifier: MIT
// A VMCS as some tool has written it down: the fields that it shows, and what else is known of the processor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "isa/expected.h"
#include "isa/x86/vmcs_field.h"
#include "sim/vmx/msr_entry.h"
#include "sim/vmx/vmcs.h"

namespace vtless::explain {

struct Dump {
    std::map<x86::VmcsField, uint64_t> fields;  // no HIGH accesses
    std::optional<bool> ia32e_host;             // IA32_EFER.LMA of the processor that enters
    std::vector<sim::MsrEntry> entry_msrs;      // of the VM-entry MSR-load area, if the dump shows them
    std::vector<std::string> notes;             // what people should know about how it was read

    std::optional<uint64_t> get(x86::VmcsField field) const {
        const auto found = fields.find(field);
        return found == fields.end() ? std::nullopt : std::optional(found->second);
    }
};

// Why a text is no dump, for people: with the number of the line, or the name of the field.
using Error = std::string;

// JSON as write_json makes it, or a kernel log with what Linux KVM's dump_vmcs writes: whichever it is.
Expected<Dump, Error> read_dump(std::string_view text);
Expected<Dump, Error> read_dump_file(const std::string& path);

Expected<Dump, Error> read_json(std::string_view text);
// The last dump of the log. Fields that KVM does not show are unknown.
Expected<Dump, Error> read_kvm_log(std::string_view text);

// {"format": "vtless-vmcs", "version": 1, "ia32e_host": true, "fields": {"GUEST_RIP": "0xfff0", ...}}
std::string write_json(const Dump& dump);

// Every field that the simulated processor supports. vmcs holds all of them.
Dump dump_of(const sim::Vmcs& vmcs, bool ia32e_host);

}  // namespace vtless::explain
