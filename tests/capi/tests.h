/* SPDX-License-Identifier: MIT
 * Every test of the C interface, by name. */
#pragma once

#define EACH_TEST(T)                                       \
    T(cpuid_then_hlt)                                      \
    T(io_exit)                                             \
    T(ept_violation)                                       \
    T(injected_interrupt)                                  \
    T(interrupts_and_nmis)                                 \
    T(host_timer)                                          \
    T(failing_entry_is_explained)                          \
    T(vmx_abort_is_explained)                              \
    T(same_calls_same_results)                             \
    T(stalled_guest)                                       \
    T(other_threads_are_refused_while_a_guest_runs)        \
    T(frames)                                              \
    T(large_blocks_of_frames_are_zero_when_they_come_back) \
    T(code_written_by_copy_runs)                           \
    T(code_written_through_a_checked_mapping_runs)         \
    T(code_written_through_a_noted_mapping_runs)           \
    T(processors_see_each_others_code)                     \
    T(vmx_operation)                                       \
    T(vmcs_instructions)                                   \
    T(invalidations)                                       \
    T(root_registers)                                      \
    T(processor_profiles)                                  \
    T(versions_are_compared)                               \
    T(sized_structs)                                       \
    T(bad_handles_are_refused)                             \
    T(null_pointers_are_refused)                           \
    T(bad_memory_arguments_are_refused)                    \
    T(bad_values_are_refused)                              \
    T(sanitizer_finds_misuse)                              \
    T(random_calls_never_crash)

#define DECLARE_TEST(name) void test_##name(void);
EACH_TEST(DECLARE_TEST)
#undef DECLARE_TEST
