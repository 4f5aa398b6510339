// SPDX-License-Identifier: MIT
// What a compiled caller relies on: sizes, offsets, numbers. C and C++ see the same. To change one of these
// is to change the major version.
#include <cstddef>
#include <type_traits>

#include "vtless/vmx.h"

static_assert(VTLESS_ABI_MAJOR == 1);

#define IS_AT(type, member, where) static_assert(offsetof(type, member) == (where))

static_assert(std::is_standard_layout_v<vtless_outcome> && sizeof(vtless_outcome) == 12);
IS_AT(vtless_outcome, kind, 0);
IS_AT(vtless_outcome, number, 4);
IS_AT(vtless_outcome, error_code, 8);

static_assert(std::is_standard_layout_v<vtless_machine_config> && sizeof(vtless_machine_config) == 24);
IS_AT(vtless_machine_config, size, 0);
IS_AT(vtless_machine_config, reserved, 4);
IS_AT(vtless_machine_config, memory_bytes, 8);
IS_AT(vtless_machine_config, cpu_profile, 16);

static_assert(std::is_standard_layout_v<vtless_gprs> && sizeof(vtless_gprs) == 128);

static_assert(std::is_standard_layout_v<vtless_cpuid_result> && sizeof(vtless_cpuid_result) == 16);
IS_AT(vtless_cpuid_result, eax, 0);
IS_AT(vtless_cpuid_result, ebx, 4);
IS_AT(vtless_cpuid_result, ecx, 8);
IS_AT(vtless_cpuid_result, edx, 12);

static_assert(std::is_standard_layout_v<vtless_descriptor_table> && sizeof(vtless_descriptor_table) == 16);
IS_AT(vtless_descriptor_table, base, 0);
IS_AT(vtless_descriptor_table, limit, 8);

static_assert(std::is_standard_layout_v<vtless_segment> && sizeof(vtless_segment) == 16);
IS_AT(vtless_segment, base, 0);
IS_AT(vtless_segment, selector, 8);

static_assert(std::is_standard_layout_v<vtless_exit_info> && sizeof(vtless_exit_info) == 64);
IS_AT(vtless_exit_info, size, 0);
IS_AT(vtless_exit_info, reason, 4);
IS_AT(vtless_exit_info, qualification, 8);
IS_AT(vtless_exit_info, guest_linear_address, 16);
IS_AT(vtless_exit_info, guest_physical_address, 24);
IS_AT(vtless_exit_info, instruction_length, 32);
IS_AT(vtless_exit_info, instruction_information, 36);
IS_AT(vtless_exit_info, interruption_information, 40);
IS_AT(vtless_exit_info, interruption_error_code, 44);
IS_AT(vtless_exit_info, idt_vectoring_information, 48);
IS_AT(vtless_exit_info, idt_vectoring_error_code, 52);
IS_AT(vtless_exit_info, name, 56);

static_assert(std::is_standard_layout_v<vtless_entry_failure> && sizeof(vtless_entry_failure) == 56);
IS_AT(vtless_entry_failure, size, 0);
IS_AT(vtless_entry_failure, check, 8);
IS_AT(vtless_entry_failure, section, 16);
IS_AT(vtless_entry_failure, sentence, 24);
IS_AT(vtless_entry_failure, field, 32);
IS_AT(vtless_entry_failure, value, 40);
IS_AT(vtless_entry_failure, allowed, 48);

static_assert(VTLESS_OK == 0 && VTLESS_BAD_HANDLE == 1 && VTLESS_BAD_POINTER == 2 &&
              VTLESS_BAD_VERSION == 3 && VTLESS_BAD_SIZE == 4 && VTLESS_BAD_ADDRESS == 5 &&
              VTLESS_BAD_VALUE == 6 && VTLESS_BAD_PROFILE == 7 && VTLESS_NO_MEMORY == 8 &&
              VTLESS_NO_ENGINE == 9 && VTLESS_BUSY == 10 && VTLESS_NOTHING == 11);
static_assert(VTLESS_SUCCEED == 0 && VTLESS_FAIL_INVALID == 1 && VTLESS_FAIL_VALID == 2 &&
              VTLESS_FAULT == 3 && VTLESS_MISUSE == 4);
static_assert(VTLESS_MAP_CHECKED == 0 && VTLESS_MAP_NOTED == 1);
static_assert(VTLESS_ES == 0 && VTLESS_CS == 1 && VTLESS_SS == 2 && VTLESS_DS == 3 && VTLESS_FS == 4 &&
              VTLESS_GS == 5 && VTLESS_LDTR == 6 && VTLESS_TR == 7);
