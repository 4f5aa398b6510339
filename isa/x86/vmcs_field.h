// SPDX-License-Identifier: MIT
// Every field of the VMCS. SDM Vol. 3D "Field Encoding in VMCS" (Appendix B).
#pragma once

#include <array>
#include <cstdint>

namespace vtless::x86 {

// ONE(name, encoding); PAIR also has a HIGH access, one encoding above, to the upper half of a 64-bit field.
// clang-format off
#define VTLESS_VMCS_FIELDS(ONE, PAIR)                            \
    ONE(VPID, 0x0000)                                            \
    ONE(POSTED_INTERRUPT_NOTIFICATION_VECTOR, 0x0002)            \
    ONE(EPTP_INDEX, 0x0004)                                      \
    ONE(HLAT_PREFIX_SIZE, 0x0006)                                \
    ONE(LAST_PID_POINTER_INDEX, 0x0008)                          \
    ONE(GUEST_ES_SELECTOR, 0x0800)                               \
    ONE(GUEST_CS_SELECTOR, 0x0802)                               \
    ONE(GUEST_SS_SELECTOR, 0x0804)                               \
    ONE(GUEST_DS_SELECTOR, 0x0806)                               \
    ONE(GUEST_FS_SELECTOR, 0x0808)                               \
    ONE(GUEST_GS_SELECTOR, 0x080a)                               \
    ONE(GUEST_LDTR_SELECTOR, 0x080c)                             \
    ONE(GUEST_TR_SELECTOR, 0x080e)                               \
    ONE(GUEST_INTERRUPT_STATUS, 0x0810)                          \
    ONE(PML_INDEX, 0x0812)                                       \
    ONE(GUEST_UINV, 0x0814)                                      \
    ONE(HOST_ES_SELECTOR, 0x0c00)                                \
    ONE(HOST_CS_SELECTOR, 0x0c02)                                \
    ONE(HOST_SS_SELECTOR, 0x0c04)                                \
    ONE(HOST_DS_SELECTOR, 0x0c06)                                \
    ONE(HOST_FS_SELECTOR, 0x0c08)                                \
    ONE(HOST_GS_SELECTOR, 0x0c0a)                                \
    ONE(HOST_TR_SELECTOR, 0x0c0c)                                \
    PAIR(IO_BITMAP_A, 0x2000)                                    \
    PAIR(IO_BITMAP_B, 0x2002)                                    \
    PAIR(MSR_BITMAP, 0x2004)                                     \
    PAIR(VM_EXIT_MSR_STORE_ADDRESS, 0x2006)                      \
    PAIR(VM_EXIT_MSR_LOAD_ADDRESS, 0x2008)                       \
    PAIR(VM_ENTRY_MSR_LOAD_ADDRESS, 0x200a)                      \
    PAIR(EXECUTIVE_VMCS_POINTER, 0x200c)                         \
    PAIR(PML_ADDRESS, 0x200e)                                    \
    PAIR(TSC_OFFSET, 0x2010)                                     \
    PAIR(VIRTUAL_APIC_ADDRESS, 0x2012)                           \
    PAIR(APIC_ACCESS_ADDRESS, 0x2014)                            \
    PAIR(POSTED_INTERRUPT_DESCRIPTOR_ADDRESS, 0x2016)            \
    PAIR(VM_FUNCTION_CONTROLS, 0x2018)                           \
    PAIR(EPT_POINTER, 0x201a)                                    \
    PAIR(EOI_EXIT_BITMAP_0, 0x201c)                              \
    PAIR(EOI_EXIT_BITMAP_1, 0x201e)                              \
    PAIR(EOI_EXIT_BITMAP_2, 0x2020)                              \
    PAIR(EOI_EXIT_BITMAP_3, 0x2022)                              \
    PAIR(EPTP_LIST_ADDRESS, 0x2024)                              \
    PAIR(VMREAD_BITMAP_ADDRESS, 0x2026)                          \
    PAIR(VMWRITE_BITMAP_ADDRESS, 0x2028)                         \
    PAIR(VIRTUALIZATION_EXCEPTION_INFORMATION_ADDRESS, 0x202a)   \
    PAIR(XSS_EXITING_BITMAP, 0x202c)                             \
    PAIR(ENCLS_EXITING_BITMAP, 0x202e)                           \
    PAIR(SUB_PAGE_PERMISSION_TABLE_POINTER, 0x2030)              \
    PAIR(TSC_MULTIPLIER, 0x2032)                                 \
    PAIR(TERTIARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 0x2034) \
    PAIR(ENCLV_EXITING_BITMAP, 0x2036)                           \
    PAIR(LOW_PASID_DIRECTORY_ADDRESS, 0x2038)                    \
    PAIR(HIGH_PASID_DIRECTORY_ADDRESS, 0x203a)                   \
    PAIR(SHARED_EPT_POINTER, 0x203c)                             \
    PAIR(PCONFIG_EXITING_BITMAP, 0x203e)                         \
    PAIR(HLAT_POINTER, 0x2040)                                   \
    PAIR(PID_POINTER_TABLE_ADDRESS, 0x2042)                      \
    PAIR(SECONDARY_VM_EXIT_CONTROLS, 0x2044)                     \
    PAIR(IA32_SPEC_CTRL_MASK, 0x204a)                            \
    PAIR(IA32_SPEC_CTRL_SHADOW, 0x204c)                          \
    PAIR(GUEST_PHYSICAL_ADDRESS, 0x2400)                         \
    PAIR(VMCS_LINK_POINTER, 0x2800)                              \
    PAIR(GUEST_IA32_DEBUGCTL, 0x2802)                            \
    PAIR(GUEST_IA32_PAT, 0x2804)                                 \
    PAIR(GUEST_IA32_EFER, 0x2806)                                \
    PAIR(GUEST_IA32_PERF_GLOBAL_CTRL, 0x2808)                    \
    PAIR(GUEST_PDPTE0, 0x280a)                                   \
    PAIR(GUEST_PDPTE1, 0x280c)                                   \
    PAIR(GUEST_PDPTE2, 0x280e)                                   \
    PAIR(GUEST_PDPTE3, 0x2810)                                   \
    PAIR(GUEST_IA32_BNDCFGS, 0x2812)                             \
    PAIR(GUEST_IA32_RTIT_CTL, 0x2814)                            \
    PAIR(GUEST_IA32_LBR_CTL, 0x2816)                             \
    PAIR(GUEST_IA32_PKRS, 0x2818)                                \
    PAIR(HOST_IA32_PAT, 0x2c00)                                  \
    PAIR(HOST_IA32_EFER, 0x2c02)                                 \
    PAIR(HOST_IA32_PERF_GLOBAL_CTRL, 0x2c04)                     \
    PAIR(HOST_IA32_PKRS, 0x2c06)                                 \
    ONE(PIN_BASED_VM_EXECUTION_CONTROLS, 0x4000)                 \
    ONE(PRIMARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 0x4002)   \
    ONE(EXCEPTION_BITMAP, 0x4004)                                \
    ONE(PAGE_FAULT_ERROR_CODE_MASK, 0x4006)                      \
    ONE(PAGE_FAULT_ERROR_CODE_MATCH, 0x4008)                     \
    ONE(CR3_TARGET_COUNT, 0x400a)                                \
    ONE(VM_EXIT_CONTROLS, 0x400c)                                \
    ONE(VM_EXIT_MSR_STORE_COUNT, 0x400e)                         \
    ONE(VM_EXIT_MSR_LOAD_COUNT, 0x4010)                          \
    ONE(VM_ENTRY_CONTROLS, 0x4012)                               \
    ONE(VM_ENTRY_MSR_LOAD_COUNT, 0x4014)                         \
    ONE(VM_ENTRY_INTERRUPTION_INFORMATION, 0x4016)               \
    ONE(VM_ENTRY_EXCEPTION_ERROR_CODE, 0x4018)                   \
    ONE(VM_ENTRY_INSTRUCTION_LENGTH, 0x401a)                     \
    ONE(TPR_THRESHOLD, 0x401c)                                   \
    ONE(SECONDARY_PROCESSOR_BASED_VM_EXECUTION_CONTROLS, 0x401e) \
    ONE(PLE_GAP, 0x4020)                                         \
    ONE(PLE_WINDOW, 0x4022)                                      \
    ONE(INSTRUCTION_TIMEOUT_CONTROL, 0x4024)                     \
    ONE(VM_INSTRUCTION_ERROR, 0x4400)                            \
    ONE(EXIT_REASON, 0x4402)                                     \
    ONE(VM_EXIT_INTERRUPTION_INFORMATION, 0x4404)                \
    ONE(VM_EXIT_INTERRUPTION_ERROR_CODE, 0x4406)                 \
    ONE(IDT_VECTORING_INFORMATION, 0x4408)                       \
    ONE(IDT_VECTORING_ERROR_CODE, 0x440a)                        \
    ONE(VM_EXIT_INSTRUCTION_LENGTH, 0x440c)                      \
    ONE(VM_EXIT_INSTRUCTION_INFORMATION, 0x440e)                 \
    ONE(GUEST_ES_LIMIT, 0x4800)                                  \
    ONE(GUEST_CS_LIMIT, 0x4802)                                  \
    ONE(GUEST_SS_LIMIT, 0x4804)                                  \
    ONE(GUEST_DS_LIMIT, 0x4806)                                  \
    ONE(GUEST_FS_LIMIT, 0x4808)                                  \
    ONE(GUEST_GS_LIMIT, 0x480a)                                  \
    ONE(GUEST_LDTR_LIMIT, 0x480c)                                \
    ONE(GUEST_TR_LIMIT, 0x480e)                                  \
    ONE(GUEST_GDTR_LIMIT, 0x4810)                                \
    ONE(GUEST_IDTR_LIMIT, 0x4812)                                \
    ONE(GUEST_ES_ACCESS_RIGHTS, 0x4814)                          \
    ONE(GUEST_CS_ACCESS_RIGHTS, 0x4816)                          \
    ONE(GUEST_SS_ACCESS_RIGHTS, 0x4818)                          \
    ONE(GUEST_DS_ACCESS_RIGHTS, 0x481a)                          \
    ONE(GUEST_FS_ACCESS_RIGHTS, 0x481c)                          \
    ONE(GUEST_GS_ACCESS_RIGHTS, 0x481e)                          \
    ONE(GUEST_LDTR_ACCESS_RIGHTS, 0x4820)                        \
    ONE(GUEST_TR_ACCESS_RIGHTS, 0x4822)                          \
    ONE(GUEST_INTERRUPTIBILITY_STATE, 0x4824)                    \
    ONE(GUEST_ACTIVITY_STATE, 0x4826)                            \
    ONE(GUEST_SMBASE, 0x4828)                                    \
    ONE(GUEST_IA32_SYSENTER_CS, 0x482a)                          \
    ONE(VMX_PREEMPTION_TIMER_VALUE, 0x482e)                      \
    ONE(HOST_IA32_SYSENTER_CS, 0x4c00)                           \
    ONE(CR0_GUEST_HOST_MASK, 0x6000)                             \
    ONE(CR4_GUEST_HOST_MASK, 0x6002)                             \
    ONE(CR0_READ_SHADOW, 0x6004)                                 \
    ONE(CR4_READ_SHADOW, 0x6006)                                 \
    ONE(CR3_TARGET_VALUE_0, 0x6008)                              \
    ONE(CR3_TARGET_VALUE_1, 0x600a)                              \
    ONE(CR3_TARGET_VALUE_2, 0x600c)                              \
    ONE(CR3_TARGET_VALUE_3, 0x600e)                              \
    ONE(EXIT_QUALIFICATION, 0x6400)                              \
    ONE(IO_RCX, 0x6402)                                          \
    ONE(IO_RSI, 0x6404)                                          \
    ONE(IO_RDI, 0x6406)                                          \
    ONE(IO_RIP, 0x6408)                                          \
    ONE(GUEST_LINEAR_ADDRESS, 0x640a)                            \
    ONE(GUEST_CR0, 0x6800)                                       \
    ONE(GUEST_CR3, 0x6802)                                       \
    ONE(GUEST_CR4, 0x6804)                                       \
    ONE(GUEST_ES_BASE, 0x6806)                                   \
    ONE(GUEST_CS_BASE, 0x6808)                                   \
    ONE(GUEST_SS_BASE, 0x680a)                                   \
    ONE(GUEST_DS_BASE, 0x680c)                                   \
    ONE(GUEST_FS_BASE, 0x680e)                                   \
    ONE(GUEST_GS_BASE, 0x6810)                                   \
    ONE(GUEST_LDTR_BASE, 0x6812)                                 \
    ONE(GUEST_TR_BASE, 0x6814)                                   \
    ONE(GUEST_GDTR_BASE, 0x6816)                                 \
    ONE(GUEST_IDTR_BASE, 0x6818)                                 \
    ONE(GUEST_DR7, 0x681a)                                       \
    ONE(GUEST_RSP, 0x681c)                                       \
    ONE(GUEST_RIP, 0x681e)                                       \
    ONE(GUEST_RFLAGS, 0x6820)                                    \
    ONE(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x6822)                  \
    ONE(GUEST_IA32_SYSENTER_ESP, 0x6824)                         \
    ONE(GUEST_IA32_SYSENTER_EIP, 0x6826)                         \
    ONE(GUEST_IA32_S_CET, 0x6828)                                \
    ONE(GUEST_SSP, 0x682a)                                       \
    ONE(GUEST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x682c)             \
    ONE(HOST_CR0, 0x6c00)                                        \
    ONE(HOST_CR3, 0x6c02)                                        \
    ONE(HOST_CR4, 0x6c04)                                        \
    ONE(HOST_FS_BASE, 0x6c06)                                    \
    ONE(HOST_GS_BASE, 0x6c08)                                    \
    ONE(HOST_TR_BASE, 0x6c0a)                                    \
    ONE(HOST_GDTR_BASE, 0x6c0c)                                  \
    ONE(HOST_IDTR_BASE, 0x6c0e)                                  \
    ONE(HOST_IA32_SYSENTER_ESP, 0x6c10)                          \
    ONE(HOST_IA32_SYSENTER_EIP, 0x6c12)                          \
    ONE(HOST_RSP, 0x6c14)                                        \
    ONE(HOST_RIP, 0x6c16)                                        \
    ONE(HOST_IA32_S_CET, 0x6c18)                                 \
    ONE(HOST_SSP, 0x6c1a)                                        \
    ONE(HOST_IA32_INTERRUPT_SSP_TABLE_ADDR, 0x6c1c)
// clang-format on

#define VTLESS_ENUM_ONE(name, encoding) name = (encoding),
#define VTLESS_ENUM_PAIR(name, encoding) name = (encoding), name##_HIGH = (encoding) + 1,
enum class VmcsField : uint32_t { VTLESS_VMCS_FIELDS(VTLESS_ENUM_ONE, VTLESS_ENUM_PAIR) };
#undef VTLESS_ENUM_ONE
#undef VTLESS_ENUM_PAIR

enum class VmcsWidth : uint8_t { BITS16, BITS64, BITS32, NATURAL };
enum class VmcsType : uint8_t { CONTROL, READ_ONLY, GUEST_STATE, HOST_STATE };

// Parts of an encoding. SDM Vol. 3C "Structure of VMCS Component Encoding" (Table 25-21).
constexpr uint32_t encoding(VmcsField field) { return static_cast<uint32_t>(field); }
constexpr VmcsWidth width(VmcsField field) { return static_cast<VmcsWidth>((encoding(field) >> 13) & 3); }
constexpr VmcsType type(VmcsField field) { return static_cast<VmcsType>((encoding(field) >> 10) & 3); }
constexpr unsigned index(VmcsField field) { return (encoding(field) >> 1) & 0x1ff; }
constexpr bool access_high(VmcsField field) { return (encoding(field) & 1) != 0; }
constexpr bool is_read_only(VmcsField field) { return type(field) == VmcsType::READ_ONLY; }
// The field itself for a full access, and for a HIGH access the field it is the upper half of.
constexpr VmcsField full(VmcsField field) { return static_cast<VmcsField>(encoding(field) & ~1u); }

// How many bits one access to the field moves, on a processor with 64-bit natural width.
constexpr unsigned access_bits(VmcsField field) {
    switch (width(field)) {
        case VmcsWidth::BITS16:
            return 16;
        case VmcsWidth::BITS32:
            return 32;
        case VmcsWidth::BITS64:
            return access_high(field) ? 32 : 64;
        case VmcsWidth::NATURAL:
            return 64;
    }
    return 0;
}

constexpr uint64_t access_mask(VmcsField field) { return ~uint64_t{0} >> (64 - access_bits(field)); }

namespace vmcs_detail {
#define VTLESS_LIST_ONE(name, encoding) VmcsField::name,
#define VTLESS_LIST_PAIR(name, encoding) VmcsField::name, VmcsField::name##_HIGH,
inline constexpr std::array kAllFields = {VTLESS_VMCS_FIELDS(VTLESS_LIST_ONE, VTLESS_LIST_PAIR)};
#undef VTLESS_LIST_ONE
#undef VTLESS_LIST_PAIR
}  // namespace vmcs_detail

// Every encoding, HIGH accesses included, in ascending order.
constexpr const auto& all_vmcs_fields() { return vmcs_detail::kAllFields; }

// nullptr when the encoding is none of the above.
constexpr const char* name(VmcsField field) {
    switch (field) {
#define VTLESS_NAME_ONE(name, encoding) \
    case VmcsField::name:               \
        return #name;
#define VTLESS_NAME_PAIR(name, encoding) \
    VTLESS_NAME_ONE(name, encoding)      \
    case VmcsField::name##_HIGH:         \
        return #name "_HIGH";
        VTLESS_VMCS_FIELDS(VTLESS_NAME_ONE, VTLESS_NAME_PAIR)
#undef VTLESS_NAME_ONE
#undef VTLESS_NAME_PAIR
    }
    return nullptr;
}
#undef VTLESS_VMCS_FIELDS

constexpr bool exists(VmcsField field) { return name(field) != nullptr; }

}  // namespace vtless::x86
