// SPDX-License-Identifier: MIT
// Rows for the VMX instructions themselves. SDM Vol. 3C "VMX Instruction Reference" (31).
#include "tests/probe/image/probe.h"

#include "isa/x86/vmx_controls.h"

namespace probe {
namespace {

struct Operation {
    const char* group;
    uint64_t (*run)(const uint64_t*);
};

// Misaligned, beyond the physical-address width, in places where something else is.
void pointer_rows(const Operation& operation, uint64_t good) {
    const auto row = [&](unsigned number, uint64_t pointer) {
        key(operation.group, 0, number);
        put_status(operation.run(&pointer));
    };
    row(0, good);
    for (unsigned low = 0; low < 12; ++low) row(0x100 + low, good | 1ull << low);
    for (unsigned high = physical_bits(); high < 64; ++high)
        row(0x200 + high - physical_bits(), good | 1ull << high);
    row(1, 0);
    row(2, ~uint64_t{0});
    row(3, vmxon_region());
    key(operation.group, 1, 0);
    put_status(operation.run(reinterpret_cast<const uint64_t*>(0x40000000)));  // #PF
    key(operation.group, 1, 1);
    put_status(operation.run(reinterpret_cast<const uint64_t*>(0x800000000000)));  // #GP(0)
}

uint64_t store_pointer(const uint64_t* to) { return vmx_store_pointer(const_cast<uint64_t*>(to)); }

void outside_operation() {
    const uint64_t region = vmcs_region();
    const uint64_t operand[2] = {};
    uint64_t value = 0;
    const uint64_t status[] = {vmx_off(),
                               vmx_call(),
                               vmx_clear(&region),
                               vmx_load_pointer(&region),
                               vmx_store_pointer(&value),
                               vmx_read(0x681e, &value),
                               vmx_write(0x681e, 0),
                               vmx_invept(2, operand),
                               vmx_invvpid(2, operand),
                               vm_enter(false),
                               vm_enter(true)};
    unsigned number = 0;
    for (const uint64_t each : status) {
        key("outside", 0, number++);
        put_status(each);
    }
}

// VMXON with each bit of CR0 and CR4 that it may not like.
void vmxon_rows(uint64_t cr0, uint64_t cr4) {
    const uint64_t region = vmxon_region();
    const auto row = [&](unsigned number, uint64_t bit) {
        key("vmxon", number, bit);
        put_status(vmx_on(&region));
    };
    write_cr4(cr4 & ~0x2000ull);
    row(0, 0);
    write_cr4(cr4);
    write_cr0(cr0 & ~0x20ull);
    row(1, 5);
    write_cr0(cr0);
    pointer_rows({"vmxon-pointer",
                  [](const uint64_t* pointer) {
                      const uint64_t result = vmx_on(pointer);
                      if (result == 0) vmx_off();
                      return result;
                  }},
                 region);
    for (unsigned bit = 0; bit < 32; ++bit) {
        *reinterpret_cast<uint32_t*>(region) ^= 1u << bit;
        row(2, bit);
        vmx_off();
        *reinterpret_cast<uint32_t*>(region) ^= 1u << bit;
    }
}

// What cannot change in VMX operation.
void control_register_rows(uint64_t cr0, uint64_t cr4) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        if (bit == 0 || bit == 31) continue;  // and with them the mode
        key("mov-cr0", 0, bit);
        put_status(write_cr0(cr0 ^ 1ull << bit));
        write_cr0(cr0);
    }
    for (unsigned bit = 0; bit < 64; ++bit) {
        if (bit == 12) continue;
        key("mov-cr4", 0, bit);
        put_status(write_cr4(cr4 ^ 1ull << bit));
        write_cr4(cr4);
    }
}

// Every encoding of an index up to 63; those that are not there are not printed.
void component_rows() {
    uint64_t region = vmcs_region();
    vmx_clear(&region);
    uint64_t value = 0;
    key("no-vmcs", 0, 0);
    put_status(vmx_read(0x681e, &value));
    key("no-vmcs", 0, 1);
    put_status(vmx_write(0x681e, 0));
    key("no-vmcs", 0, 2);
    put_status(vm_enter(false));
    key("no-vmcs", 0, 3);
    put_status(vmx_call());
    key("no-vmcs", 0, 4);
    vmx_store_pointer(&value);
    put_hex(value);
    put('\n');
    vmx_load_pointer(&region);
    for (uint32_t encoding = 0; encoding < 0x8000; ++encoding) {
        if ((encoding & 0x1ff) >= 0x80 || (encoding & 0x1000) != 0) continue;
        const uint64_t status = vmx_read(encoding, &value);
        if (status == 2) continue;
        key("read", 0, encoding);
        put_status(status);
        key("write", 0, encoding);
        put_status(vmx_write(encoding, 0));
        key("read", 1, encoding);
        put_status(vmx_read(encoding | 1ull << 32, &value));
    }
}

void launch_state_rows() {
    const auto row = [](unsigned number, uint64_t status) {
        key("launch", 0, number);
        put_status(status);
    };
    begin_row();
    row(0, vm_enter(true));
    row(1, vm_enter(false));
    set(Field::GUEST_RIP, address(guest_vmcall));
    row(2, vm_enter(false));
    row(3, vm_enter(true));
    row(4, vmx_call());
    const uint64_t region = vmcs_region();
    row(5, vmx_load_pointer(&region));
    row(6, vm_enter(false));
    row(7, vmx_clear(&region));
    row(8, vmx_load_pointer(&region));
    row(9, vm_enter(true));
    row(10, vmx_launch_behind_mov_ss());
    set(Field::GUEST_CR0, 0);
    row(11, vmx_launch_behind_mov_ss());
    set(Field::PIN_BASED_VM_EXECUTION_CONTROLS, ~0u);
    row(12, vmx_launch_behind_mov_ss());
}

void invalidation_rows() {
    const uint64_t eptp = ept_pointer();
    const auto invept = [](unsigned number, uint64_t type, uint64_t first, uint64_t second) {
        const uint64_t descriptor[2] = {first, second};
        key("invept", number, type);
        put_status(vmx_invept(type, descriptor));
    };
    const auto invvpid = [](unsigned number, uint64_t type, uint64_t first, uint64_t second) {
        const uint64_t descriptor[2] = {first, second};
        key("invvpid", number, type);
        put_status(vmx_invvpid(type, descriptor));
    };
    for (const uint64_t type : {0ull, 1ull, 2ull, 3ull, 4ull, 0x100000001ull, ~0ull}) {
        invept(0, type, eptp, 0);
        invept(1, type, 0, 0);
        invept(2, type, eptp, 1);
        for (unsigned bit = 0; bit < 64; ++bit) {
            if (bit < 12 || bit >= physical_bits()) invept(0x10 + bit, type, eptp ^ 1ull << bit, 0);
        }
        invvpid(0, type, 1, 0x1000);
        invvpid(1, type, 0, 0x1000);
        invvpid(2, type, 0xffff, 0x7fffffffffff);
        invvpid(3, type, 1, 0x800000000000);
        invvpid(4, type, 1, 0xffff800000000000);
        for (unsigned bit = 16; bit < 64; ++bit) invvpid(0x10 + bit, type, 1 | 1ull << bit, 0);
    }
    const auto nowhere = reinterpret_cast<const uint64_t*>(0x40000000);
    for (const uint64_t type : {0ull, 1ull, 2ull, 9ull}) {
        key("invept", 3, type);
        put_status(vmx_invept(type, nowhere));
        key("invvpid", 5, type);
        put_status(vmx_invvpid(type, nowhere));
    }
}

}  // namespace

void capability_rows() {
    for (uint32_t msr = 0x480; msr <= 0x491; ++msr) {
        uint64_t value = 0;
        const uint64_t status = read_msr_to(msr, &value);
        key("msr", 0, msr);
        if (status != 0) {
            put_status(status);
            continue;
        }
        put_hex(value);
        put('\n');
    }
    key("physical-bits", 0, 0);
    put_hex(physical_bits());
    put('\n');
    for (const uint32_t leaf : {0u, 1u, 7u, 0xdu, 0x80000000u, 0x80000001u, 0x80000008u}) {
        for (uint32_t subleaf = 0; subleaf < 2; ++subleaf) {
            uint32_t words[4] = {leaf, 0, subleaf, 0};
            asm volatile("cpuid" : "+a"(words[0]), "=b"(words[1]), "+c"(words[2]), "=d"(words[3]));
            for (unsigned word = 0; word < 4; ++word) {
                key("cpuid", leaf, subleaf, word);
                put_hex(words[word]);
                put('\n');
            }
        }
    }
}

void instruction_rows() {
    uint64_t cr0 = 0;
    uint64_t cr4 = 0;
    asm("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    cr4 |= 0x2000;
    outside_operation();
    vmxon_rows(cr0, cr4);
    const uint64_t region = vmxon_region();
    key("vmxon", 3, 0);
    put_status(vmx_on(&region));
    key("vmxon", 3, 1);
    put_status(vmx_on(&region));
    control_register_rows(cr0, cr4);
    component_rows();
    pointer_rows({"vmclear", vmx_clear}, vmcs_region());
    pointer_rows({"vmptrld", vmx_load_pointer}, vmcs_region());
    for (unsigned bit = 0; bit < 32; ++bit) {
        uint64_t pointer = vmcs_region();
        vmx_clear(&pointer);
        *reinterpret_cast<uint32_t*>(pointer) ^= 1u << bit;
        key("vmptrld", 2, bit);
        put_status(vmx_load_pointer(&pointer));
        *reinterpret_cast<uint32_t*>(pointer) ^= 1u << bit;
    }
    key("vmptrst", 0, 0);
    put_status(store_pointer(reinterpret_cast<const uint64_t*>(0x40000000)));
    launch_state_rows();
    invalidation_rows();
    key("vmxoff", 0, 0);
    put_status(vmx_off());
    key("vmxoff", 0, 1);
    put_status(vmx_off());
    vmx_on(&region);
}

}  // namespace probe
