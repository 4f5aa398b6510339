// SPDX-License-Identifier: MIT
#include "samples/hypervisor/descriptor_tables.h"

#include "samples/rom/output.h"
#include "vcpu/vmx/native_fault.h"

extern "C" const uint8_t exceptions[];

namespace hypervisor {

namespace {

constexpr uint16_t kCode = 0x18;  // as samples/rom/start.S has it
constexpr uint16_t kTask = 0x20;

struct [[gnu::packed]] TableRegister {
    uint16_t limit;
    uint64_t base;
};

struct Gate {
    uint64_t low, high;
};

uint64_t gdt[6];
uint32_t task[26];
Gate idt[32];

uint64_t address(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

void fill_gdt() {
    const uint64_t base = address(task);
    gdt[2] = 0x00cf93000000ffff;  // data
    gdt[3] = 0x00af9b000000ffff;  // code, 64 bits
    gdt[4] = (sizeof(task) - 1) | (base & 0xffffff) << 16 | uint64_t{0x89} << 40 | (base >> 24 & 0xff) << 56;
    gdt[5] = base >> 32;
}

void fill_idt() {
    for (unsigned vector = 0; vector < 32; ++vector) {
        const uint64_t to = address(exceptions) + uint64_t{16} * vector;
        idt[vector].low = (to & 0xffff) | kCode << 16 | uint64_t{0x8e00} << 32 | (to >> 16 & 0xffff) << 48;
        idt[vector].high = to >> 32;
    }
}

}  // namespace

void load_descriptor_tables() {
    fill_gdt();
    fill_idt();
    const TableRegister gdtr{sizeof(gdt) - 1, address(gdt)};
    const TableRegister idtr{sizeof(idt) - 1, address(idt)};
    asm volatile("lgdt %0; lidt %1; ltr %2" : : "m"(gdtr), "m"(idtr), "r"(kTask) : "memory");
}

}  // namespace hypervisor

extern "C" void on_exception(hypervisor::ExceptionFrame& frame) {
    const auto vector = static_cast<vtless::x86::Vector>(frame.vector);
    const auto error_code = static_cast<uint32_t>(frame.error_code);
    if (vtless::vmx::recover_native_fault(vector, error_code, frame.rip, frame.r11)) return;
    rom::put("exception ");
    rom::put_hex(frame.vector);
    rom::put(" in root operation at ");
    rom::put_hex(frame.rip);
    rom::put('\n');
    rom::shut_down();
}
