// SPDX-License-Identifier: MIT
// The VMCS of each row: a baseline that runs, and what a row changes of it.
#include "tests/probe/image/probe.h"

#include "isa/x86/vmx_controls.h"

namespace probe {
namespace {

using vtless::x86::EntryControls;
using vtless::x86::ExitControls;
using vtless::x86::PinControls;
using vtless::x86::PrimaryControls;

Page vmxon_page, vmcs_page, io_bitmap_a, io_bitmap_b, msr_bitmap, guest_idt, guest_stack, guest_tss, host_idt;
Page ept_tables[3], guest_tables[3], page_directory_32, pdptes_pae;
uint64_t write_failure;  // status of the first VMWRITE of the row that failed
uint64_t width;

constexpr uint64_t kGuestCr0 = 0x80000021;
uintptr_t low_memory;  // 0, which no compiler may know: RAX of guests points there

struct Value {
    Field field;
    uint64_t value;
};
constexpr unsigned kMaxValues = 256;
Value values[kMaxValues];
unsigned count;

void add(Field field, uint64_t value) {
    if (vmx_write(static_cast<uint32_t>(field), value) == 0) values[count++] = {field, value};
}

// 16-byte gates to code at entry + n * distance.
void fill_idt(Page& idt, const uint8_t* entry, unsigned distance, unsigned gates) {
    for (unsigned n = 0; n < gates; ++n) {
        const uint64_t to = address(entry) + uint64_t{n} * distance;
        idt.words[n * 2] = (to & 0xffff) | 0x18 << 16 | 0x8e00ull << 32 | (to >> 16 & 0xffff) << 48;
        idt.words[n * 2 + 1] = 0;
    }
}

void load_tables() {
    struct [[gnu::packed]] {
        uint16_t limit;
        uint64_t base;
    } idtr = {32 * 16 - 1, host_idt.address()};
    asm volatile("lgdt %0; lidt %1" : : "m"(*gdt_pointer), "m"(idtr));
}

// The word with what the processor wants.
uint32_t adjust(Msr plain, Msr exact, uint32_t wanted) {
    const bool has_true = (read_msr(Msr::IA32_VMX_BASIC) >> 55 & 1) != 0 && plain != exact;
    const uint64_t allowed = read_msr(has_true ? exact : plain);
    return (wanted | static_cast<uint32_t>(allowed)) & static_cast<uint32_t>(allowed >> 32);
}

uint32_t adjusted(Field field, uint32_t wanted) {
    switch (field) {
        case Field::PIN_BASED_VM_EXECUTION_CONTROLS:
            return adjust(Msr::IA32_VMX_PINBASED_CTLS, Msr::IA32_VMX_TRUE_PINBASED_CTLS, wanted);
        case Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS:
            return adjust(Msr::IA32_VMX_PROCBASED_CTLS, Msr::IA32_VMX_TRUE_PROCBASED_CTLS, wanted);
        case Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS:
            return adjust(Msr::IA32_VMX_PROCBASED_CTLS2, Msr::IA32_VMX_PROCBASED_CTLS2, wanted);
        case Field::VM_EXIT_CONTROLS:
            return adjust(Msr::IA32_VMX_EXIT_CTLS, Msr::IA32_VMX_TRUE_EXIT_CTLS, wanted);
        default:
            return adjust(Msr::IA32_VMX_ENTRY_CTLS, Msr::IA32_VMX_TRUE_ENTRY_CTLS, wanted);
    }
}

void add_controls() {
    const auto add_word = [](Field field, uint32_t wanted) { add(field, adjusted(field, wanted)); };
    add_word(Field::PIN_BASED_VM_EXECUTION_CONTROLS, PinControls::ACTIVATE_VMX_PREEMPTION_TIMER);
    add_word(Field::PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS,
             PrimaryControls::ACTIVATE_SECONDARY_CONTROLS | PrimaryControls::UNCONDITIONAL_IO_EXITING);
    add_word(Field::SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 0);
    add_word(Field::VM_EXIT_CONTROLS, ExitControls::HOST_ADDRESS_SPACE_SIZE | ExitControls::LOAD_IA32_EFER |
                                          ExitControls::SAVE_IA32_EFER);
    add_word(Field::VM_ENTRY_CONTROLS, EntryControls::IA32E_MODE_GUEST | EntryControls::LOAD_IA32_EFER);
    add(Field::VMX_PREEMPTION_TIMER_VALUE, 0x1000);
    add(Field::EXCEPTION_BITMAP, 0xffffffff);  // nothing that the guest raises leads it astray
    add(Field::IO_BITMAP_A, io_bitmap_a.address());
    add(Field::IO_BITMAP_B, io_bitmap_b.address());
    add(Field::MSR_BITMAP, msr_bitmap.address());
    add(Field::EPT_POINTER, ept_pointer());
    add(Field::VMCS_LINK_POINTER, ~uint64_t{0});
    add(Field::CR0_READ_SHADOW, kGuestCr0);
}

void add_host() {
    uint64_t cr0 = 0;
    uint64_t cr3 = 0;
    uint64_t cr4 = 0;
    asm("mov %%cr0, %0; mov %%cr3, %1; mov %%cr4, %2" : "=r"(cr0), "=r"(cr3), "=r"(cr4));
    add(Field::HOST_CR0, cr0);
    add(Field::HOST_CR3, cr3);
    add(Field::HOST_CR4, cr4);
    add(Field::HOST_IA32_EFER, read_msr(Msr::IA32_EFER));
    add(Field::HOST_IA32_PAT, read_msr(Msr::IA32_PAT));
    add(Field::HOST_CS_SELECTOR, 0x18);
    for (const Field data : {Field::HOST_ES_SELECTOR, Field::HOST_SS_SELECTOR, Field::HOST_DS_SELECTOR,
                             Field::HOST_FS_SELECTOR, Field::HOST_GS_SELECTOR})
        add(data, 0x10);
    add(Field::HOST_TR_SELECTOR, 0x20);
    add(Field::HOST_TR_BASE, guest_tss.address());
    add(Field::HOST_GDTR_BASE, *reinterpret_cast<const uint64_t*>(gdt_pointer + 2));
    add(Field::HOST_IDTR_BASE, host_idt.address());
    add(Field::HOST_RSP, 0x8000);
    add(Field::HOST_RIP, address(host_entry));
}

void add_guest_segments() {
    constexpr Field kFirst[] = {Field::GUEST_ES_SELECTOR, Field::GUEST_ES_LIMIT,
                                Field::GUEST_ES_ACCESS_RIGHTS, Field::GUEST_ES_BASE};
    const auto segment = [&](unsigned index, uint64_t selector, uint64_t limit, uint64_t rights,
                             uint64_t base) {
        const uint64_t all[] = {selector, limit, rights, base};
        for (unsigned i = 0; i < 4; ++i)
            add(static_cast<Field>(static_cast<uint32_t>(kFirst[i]) + 2 * index), all[i]);
    };
    for (const unsigned data : {0u, 2u, 3u, 4u, 5u}) segment(data, 0x10, 0xffffffff, 0xc093, 0);
    segment(1, 0x18, 0xffffffff, 0xa09b, 0);
    segment(6, 0, 0, 0x10000, 0);
    segment(7, 0x20, 0x67, 0x8b, guest_tss.address());
    add(Field::GUEST_GDTR_BASE, *reinterpret_cast<const uint64_t*>(gdt_pointer + 2));
    add(Field::GUEST_GDTR_LIMIT, 0x1f);
    add(Field::GUEST_IDTR_BASE, guest_idt.address());
    add(Field::GUEST_IDTR_LIMIT, 0xfff);
}

void add_guest() {
    add_guest_segments();
    add(Field::GUEST_CR0, kGuestCr0);
    add(Field::GUEST_CR3, guest_tables[0].address());
    add(Field::GUEST_CR4, baseline(Field::HOST_CR4));
    add(Field::GUEST_IA32_EFER, read_msr(Msr::IA32_EFER));
    add(Field::GUEST_IA32_PAT, read_msr(Msr::IA32_PAT));
    add(Field::GUEST_DR7, 0x400);
    add(Field::GUEST_RSP, guest_stack.address() + 0x800);
    add(Field::GUEST_RIP, address(guest_vmcall));
    add(Field::GUEST_RFLAGS, 2);
}

// The first GiB, one to one.
void fill_tables(Page (&tables)[3], uint64_t leaf) {
    tables[0].words[0] = tables[1].address() | 7;
    tables[1].words[0] = tables[2].address() | 7;
    for (uint64_t i = 0; i < 512; ++i) tables[2].words[i] = i << 21 | leaf;
}
void fill_all_tables() {
    fill_tables(ept_tables, 0xb7);
    fill_tables(guest_tables, 0xe7);
    for (uint64_t i = 0; i < 256; i += 2)
        page_directory_32.words[i / 2] = (i << 22 | 0xe7) | ((i + 1) << 22 | 0xe7) << 32;
    pdptes_pae.words[0] = guest_tables[2].address() | 1;
}

}  // namespace

uint64_t vmxon_region() { return vmxon_page.address(); }
uint64_t vmcs_region() { return vmcs_page.address(); }
uint64_t tables_32() { return page_directory_32.address(); }
uint64_t tables_pae() { return pdptes_pae.address(); }
uint64_t& ept_entry(uint64_t physical) { return ept_tables[2].words[physical >> 21]; }
uint64_t ept_pointer() { return ept_tables[0].address() | 0x1e; }
unsigned physical_bits() { return static_cast<unsigned>(width); }

uint64_t baseline(Field field) {
    for (unsigned i = 0; i < count; ++i) {
        if (values[i].field == field) return values[i].value;
    }
    return 0;
}

bool is_supported(Field field) {
    uint64_t value = 0;
    return vmx_read(static_cast<uint32_t>(field), &value) == 0;
}

void set_up_vmx() {
    uint32_t eax = 0x80000008;
    asm volatile("cpuid" : "+a"(eax) : : "ebx", "ecx", "edx");
    width = eax & 0xff;
    fill_idt(host_idt, exceptions, 16, 32);
    fill_idt(guest_idt, guest_handlers, 8, 256);
    fill_all_tables();
    load_tables();
    if ((read_msr(Msr::IA32_FEATURE_CONTROL) & 1) == 0)
        write_msr_parts(static_cast<uint32_t>(Msr::IA32_FEATURE_CONTROL), 5);
    const uint64_t revision = read_msr(Msr::IA32_VMX_BASIC) & 0x7fffffff;
    vmxon_page.words[0] = vmcs_page.words[0] = revision;
}

// What a guest left behind: blocking of NMIs, which ends with IRET.
void end_nmi_blocking() {
    asm volatile(
        "mov %%rsp, %%rax; push %0; push %%rax; pushfq; push %1; push $1f; iretq; 1:" ::"r"(uint64_t{0x10}),
        "r"(uint64_t{0x18})
        : "rax", "memory");
}

// What a guest that went astray may have written to: no row is to depend on the ones before.
void restore_guest_memory() {
    fill_idt(guest_idt, guest_handlers, 8, 256);
    auto* low = reinterpret_cast<volatile uint64_t*>(low_memory);
    for (unsigned i = 0; i < 64; ++i) low[i] = 0;
}

void begin_row() {
    restore_guest_memory();
    end_nmi_blocking();
    const uint64_t region = vmcs_region();
    vmx_clear(&region);
    vmx_load_pointer(&region);
    if (count == 0) {
        add_controls();
        add_host();
        add_guest();
        // What is not in the baseline is 0, whatever VMCLEAR leaves in a new VMCS.
        for (const Field field : vtless::x86::all_vmcs_fields()) {
            if (!access_high(field) && baseline(field) == 0 && !is_read_only(field)) add(field, 0);
        }
    }
    for (unsigned i = 0; i < count; ++i) vmx_write(static_cast<uint32_t>(values[i].field), values[i].value);
    write_failure = 0;
}

void set(Field field, uint64_t value) {
    const uint64_t status = vmx_write(static_cast<uint32_t>(field), value);
    if (status != 0 && write_failure == 0) write_failure = status;
}

uint64_t get(Field field) {
    uint64_t value = 0;
    vmx_read(static_cast<uint32_t>(field), &value);
    return value;
}

void set_controls(Field field, uint32_t value) { set(field, adjusted(field, value)); }

// I, V and the number, or E, the vector and the error code.
void put_status(uint64_t status) {
    if (status == 0) put('S');
    if (status == 1) put('I');
    if (status == 2) {
        put("V ");
        put_hex(get(Field::VM_INSTRUCTION_ERROR));
    }
    if (status >= 0x100) {
        put("E ");
        put_hex(status & 0xff);
        put(' ');
        put_hex(exception_error);
    }
    put('\n');
}

void enter_and_report() {
    struct Reported {
        const char* name;
        Field field;
    };
    constexpr Reported kReported[] = {
        {"q", Field::EXIT_QUALIFICATION},
        {"ii", Field::VM_EXIT_INTERRUPTION_INFORMATION},
        {"ie", Field::VM_EXIT_INTERRUPTION_ERROR_CODE},
        {"vi", Field::IDT_VECTORING_INFORMATION},
        {"ve", Field::IDT_VECTORING_ERROR_CODE},
        {"il", Field::VM_EXIT_INSTRUCTION_LENGTH},
        {"in", Field::VM_EXIT_INSTRUCTION_INFORMATION},
        {"gl", Field::GUEST_LINEAR_ADDRESS},
        {"gp", Field::GUEST_PHYSICAL_ADDRESS},
        {"ip", Field::GUEST_RIP},
        {"sp", Field::GUEST_RSP},
        {"fl", Field::GUEST_RFLAGS},
        {"is", Field::GUEST_INTERRUPTIBILITY_STATE},
        {"as", Field::GUEST_ACTIVITY_STATE},
        {"pd", Field::GUEST_PENDING_DEBUG_EXCEPTIONS},
        {"ei", Field::VM_ENTRY_INTERRUPTION_INFORMATION},
        {"ec", Field::VM_ENTRY_CONTROLS},
    };
    if (write_failure != 0) {
        put("W ");
        return put_status(write_failure);
    }
    const uint64_t status = vm_enter(false);
    load_tables();
    if (status != 0) return put_status(status);
    const uint64_t reason = get(Field::EXIT_REASON);
    const bool failed = (reason >> 31) != 0;
    put(failed ? "F " : "X ");
    put_hex(reason & 0x7fffffff);
    for (const Reported& reported : kReported) {
        const uint64_t value = get(reported.field);
        if (value == 0 || (failed && reported.field != Field::EXIT_QUALIFICATION)) continue;
        put(' ');
        put(reported.name);
        put('=');
        put_hex(value);
    }
    put('\n');
}

}  // namespace probe
