// SPDX-License-Identifier: MIT
// Registers of root operation.
#include "capi/outcome.h"

using namespace vtless;
using namespace vtless::capi;
using sim::VmxProcessor;
using x86::VmxStatus;

namespace {

VmxStatus give(vtless_descriptor_table& to, const x86::DescriptorTable& table) {
    to = {table.base, table.limit, 0};
    return VmxStatus::succeed();
}

}  // namespace

vtless_outcome vtless_rdmsr(vtless_processor* processor, uint32_t msr, uint64_t* value) {
    return execute(processor, value,
                   [=](VmxProcessor& hw) { return hw.rdmsr(static_cast<x86::Msr>(msr), *value); });
}

vtless_outcome vtless_wrmsr(vtless_processor* processor, uint32_t msr, uint64_t value) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.wrmsr(static_cast<x86::Msr>(msr), value); });
}

vtless_outcome vtless_xgetbv(vtless_processor* processor, uint32_t index, uint64_t* value) {
    return execute(processor, value, [=](VmxProcessor& hw) { return hw.xgetbv(index, *value); });
}

vtless_outcome vtless_xsetbv(vtless_processor* processor, uint32_t index, uint64_t value) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.xsetbv(index, value); });
}

vtless_outcome vtless_rdtsc(vtless_processor* processor, uint64_t* value) {
    return execute(processor, value, [=](VmxProcessor& hw) {
        *value = hw.rdtsc();
        return VmxStatus::succeed();
    });
}

vtless_outcome vtless_read_cr(vtless_processor* processor, uint32_t number, uint64_t* value) {
    return execute(processor, value, [=](VmxProcessor& hw) {
        switch (number) {
            case 0:
                *value = hw.read_cr0();
                break;
            case 2:
                *value = hw.read_cr2();
                break;
            case 3:
                *value = hw.read_cr3();
                break;
            case 4:
                *value = hw.read_cr4();
                break;
            default:
                return VmxStatus::fault(x86::Vector::UD);
        }
        return VmxStatus::succeed();
    });
}

vtless_outcome vtless_write_cr(vtless_processor* processor, uint32_t number, uint64_t value) {
    return execute(processor, [=](VmxProcessor& hw) {
        switch (number) {
            case 0:
                return hw.write_cr0(value);
            case 2:
                return hw.write_cr2(value);
            case 4:
                return hw.write_cr4(value);
            default:
                return VmxStatus::fault(x86::Vector::UD);
        }
    });
}

vtless_outcome vtless_read_dr(vtless_processor* processor, uint32_t number, uint64_t* value) {
    return execute(processor, value, [=](VmxProcessor& hw) { return hw.read_dr(number, *value); });
}

vtless_outcome vtless_write_dr(vtless_processor* processor, uint32_t number, uint64_t value) {
    return execute(processor, [=](VmxProcessor& hw) { return hw.write_dr(number, value); });
}

vtless_outcome vtless_cpuid(vtless_processor* processor, uint32_t leaf, uint32_t subleaf,
                            vtless_cpuid_result* result) {
    return execute(processor, result, [=](VmxProcessor& hw) {
        const x86::CpuidResult found = hw.cpuid(leaf, subleaf);
        *result = {found.eax, found.ebx, found.ecx, found.edx};
        return VmxStatus::succeed();
    });
}

vtless_outcome vtless_sgdt(vtless_processor* processor, vtless_descriptor_table* table) {
    return execute(processor, table, [=](VmxProcessor& hw) { return give(*table, hw.sgdt()); });
}

vtless_outcome vtless_sidt(vtless_processor* processor, vtless_descriptor_table* table) {
    return execute(processor, table, [=](VmxProcessor& hw) { return give(*table, hw.sidt()); });
}

vtless_outcome vtless_read_segment(vtless_processor* processor, uint32_t segment, vtless_segment* value) {
    if (segment >= x86::kSegmentRegisterCount)
        return misuse(refuse(VTLESS_BAD_VALUE, "there is no segment register {}", segment));
    return execute(processor, value, [=](VmxProcessor& hw) {
        const auto index = static_cast<x86::SegmentRegister>(segment);
        *value = {hw.segment_base(index), hw.selector(index), 0};
        return VmxStatus::succeed();
    });
}
