/* SPDX-License-Identifier: MIT
 * What a caller can get wrong: each is refused, with a reason, and nothing happens. */
#include <string.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

static vtless_machine_config good_config(void) {
    vtless_machine_config config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.memory_bytes = 1u << 20;
    return config;
}

static void refuses_to_open(vtless_machine_config config, vtless_error error, const char* why) {
    vtless_machine* machine = NULL;
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &config, &machine), error);
    CHECK_TEXT(vtless_error_text(), why);
    CHECK(machine == NULL);
}

void test_versions_are_compared(void) {
    const vtless_machine_config config = good_config();
    vtless_machine* machine = NULL;
    CHECK_EQ(vtless_abi_version(), VTLESS_ABI_MAJOR << 16 | VTLESS_ABI_MINOR);
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR + 1, 0, &config, &machine), VTLESS_BAD_VERSION);
    CHECK_TEXT(vtless_error_text(), "compiled for ABI 2.0 of vtless; this library has 1.");
    CHECK_EQ(vtless_open(0, 0, &config, &machine), VTLESS_BAD_VERSION);
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR + 1, &config, &machine), VTLESS_BAD_VERSION);
    CHECK(machine == NULL);
}

void test_sized_structs(void) {
    struct {
        vtless_machine_config known;
        uint64_t later;
    } grown;
    struct {
        vtless_exit_info known;
        uint64_t later;
    } info;
    static const unsigned char kHlt[] = {0xf4};
    vtless_machine_config config = good_config();
    vtless_machine* machine = NULL;
    guest g;
    config.size -= 1;
    refuses_to_open(config, VTLESS_BAD_VERSION, "vtless_machine_config.size");
    config.size = 0;
    refuses_to_open(config, VTLESS_BAD_VERSION, "vtless_machine_config.size");
    config = good_config();
    config.reserved = 1;
    refuses_to_open(config, VTLESS_BAD_VERSION, "reserved");

    /* Of a later version: fine, as long as what we do not know is not asked for. */
    memset(&grown, 0, sizeof grown);
    grown.known = good_config();
    grown.known.size = sizeof grown;
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &grown.known, &machine), VTLESS_OK);
    CHECK_EQ(vtless_close(machine), VTLESS_OK);
    grown.later = 1;
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &grown.known, &machine), VTLESS_BAD_VERSION);
    CHECK_TEXT(vtless_error_text(), "does not know");

    /* Results: no byte beyond what we know is written. */
    open_guest(&g);
    put_code(&g, GUEST_CODE, kHlt, sizeof kHlt);
    CHECK_EQ(run(&g), EXIT_HLT);
    memset(&info, 0x5a, sizeof info);
    info.known.size = sizeof info;
    CHECK_SUCCEEDS(vtless_last_exit(g.processor, &info.known));
    CHECK_EQ(info.known.reason, EXIT_HLT);
    CHECK_EQ(info.known.size, sizeof info);
    CHECK_EQ(info.later, 0x5a5a5a5a5a5a5a5au);
    info.known.size = 8;
    CHECK_MISUSE(vtless_last_exit(g.processor, &info.known), VTLESS_BAD_VERSION);
    close_guest(&g);
}

/* Each function that takes a processor or a machine. */
static void refuse_processor(vtless_processor* p, const char* why) {
    vtless_gprs gprs;
    vtless_exit_info info;
    vtless_entry_failure failure;
    vtless_cpuid_result cpuid;
    vtless_descriptor_table table;
    vtless_segment segment;
    uint64_t v = 0, descriptor[2] = {0, 0};
    uint32_t w = 0;
    char text[8];
    memset(&gprs, 0, sizeof gprs);
    memset(&info, 0, sizeof info);
    memset(&failure, 0, sizeof failure);
    info.size = sizeof info;
    failure.size = sizeof failure;
#define REFUSED(call)                      \
    CHECK_MISUSE(call, VTLESS_BAD_HANDLE); \
    CHECK_TEXT(vtless_error_text(), why)
    REFUSED(vtless_vmxon(p, 0x1000));
    REFUSED(vtless_vmxoff(p));
    REFUSED(vtless_vmclear(p, 0x1000));
    REFUSED(vtless_vmptrld(p, 0x1000));
    REFUSED(vtless_vmptrst(p, &v));
    REFUSED(vtless_vmread(p, GUEST_RIP, &v));
    REFUSED(vtless_vmwrite(p, GUEST_RIP, 0));
    REFUSED(vtless_vmlaunch(p, &gprs));
    REFUSED(vtless_vmresume(p, &gprs));
    REFUSED(vtless_invept(p, 2, descriptor));
    REFUSED(vtless_invvpid(p, 2, descriptor));
    REFUSED(vtless_rdmsr(p, 0x10, &v));
    REFUSED(vtless_wrmsr(p, 0x10, 0));
    REFUSED(vtless_xgetbv(p, 0, &v));
    REFUSED(vtless_xsetbv(p, 0, 1));
    REFUSED(vtless_rdtsc(p, &v));
    REFUSED(vtless_read_cr(p, 0, &v));
    REFUSED(vtless_write_cr(p, 0, 0));
    REFUSED(vtless_read_dr(p, 0, &v));
    REFUSED(vtless_write_dr(p, 0, 0));
    REFUSED(vtless_cpuid(p, 0, 0, &cpuid));
    REFUSED(vtless_sgdt(p, &table));
    REFUSED(vtless_sidt(p, &table));
    REFUSED(vtless_read_segment(p, VTLESS_CS, &segment));
    REFUSED(vtless_last_exit(p, &info));
#undef REFUSED
    CHECK_EQ(vtless_remove_processor(p), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_raise_interrupt(p, 32), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_withdraw_interrupt(p, 32), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_raise_nmi(p), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_withdraw_nmi(p), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_take_interrupt(p, &w), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_set_host_timer(p, 1, 32), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_idle(p), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_request_exit(p), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_explain_entry(p, &failure), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_explain_vmcs(p, text, sizeof text, NULL), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_dump_vmcs(p, text, sizeof text, NULL), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_counters(p, &v, &v), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_stalled(p, &w), VTLESS_BAD_HANDLE);
    CHECK_TEXT(vtless_error_text(), why);
}

static void refuse_machine(vtless_machine* m, const char* why) {
    vtless_processor* processor = NULL;
    uint64_t v = 0;
    void* pointer = NULL;
    CHECK_EQ(vtless_memory_size(m), 0);
    CHECK_EQ(vtless_add_processor(m, &processor), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_alloc_frames(m, 1, 4096, &v), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_free_frames(m, 4096, 1), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_read(m, 0, &v, 8), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_write(m, 0, &v, 8), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_map(m, 0, 8, VTLESS_MAP_NOTED, &pointer), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_unmap(m, &v), VTLESS_BAD_HANDLE);
    CHECK_EQ(vtless_note_write(m, 0, 8), VTLESS_BAD_HANDLE);
    CHECK_TEXT(vtless_error_text(), why);
}

void test_bad_handles_are_refused(void) {
    guest g;
    vtless_processor* second = NULL;
    refuse_machine(NULL, "the machine is null");
    refuse_processor(NULL, "the processor is null");
    CHECK_EQ(vtless_close(NULL), VTLESS_OK);

    open_machine(&g, NULL);
    CHECK_EQ(vtless_add_processor(g.machine, &second), VTLESS_OK);
    CHECK_EQ(vtless_remove_processor(second), VTLESS_OK);
    refuse_processor(second, "the processor was removed");
    close_guest(&g);
    refuse_machine(g.machine, "the machine was closed");
    CHECK_EQ(vtless_close(g.machine), VTLESS_BAD_HANDLE);
    refuse_processor(g.processor, "the processor was removed");
}

void test_null_pointers_are_refused(void) {
    const vtless_machine_config config = good_config();
    vtless_machine* machine = NULL;
    guest g;
    uint64_t v = 0;
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, NULL, &machine), VTLESS_BAD_POINTER);
    CHECK_TEXT(vtless_error_text(), "config is null");
    CHECK_EQ(vtless_open(VTLESS_ABI_MAJOR, VTLESS_ABI_MINOR, &config, NULL), VTLESS_BAD_POINTER);
    open_guest(&g);
    CHECK_MISUSE(vtless_vmptrst(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_vmread(g.processor, GUEST_RIP, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_vmlaunch(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_vmresume(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_invept(g.processor, 2, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_invvpid(g.processor, 2, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_rdmsr(g.processor, 0x10, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_xgetbv(g.processor, 0, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_rdtsc(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_read_cr(g.processor, 0, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_read_dr(g.processor, 0, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_cpuid(g.processor, 0, 0, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_sgdt(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_sidt(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_read_segment(g.processor, VTLESS_CS, NULL), VTLESS_BAD_POINTER);
    CHECK_MISUSE(vtless_last_exit(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_explain_entry(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_explain_vmcs(g.processor, NULL, 5, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_dump_vmcs(g.processor, NULL, 5, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_counters(g.processor, NULL, &v), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_counters(g.processor, &v, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_stalled(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_take_interrupt(g.processor, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_add_processor(g.machine, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 4096, NULL), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_read(g.machine, 0, NULL, 8), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_write(g.machine, 0, NULL, 8), VTLESS_BAD_POINTER);
    CHECK_EQ(vtless_map(g.machine, 0, 8, VTLESS_MAP_NOTED, NULL), VTLESS_BAD_POINTER);
    close_guest(&g);
}

void test_bad_memory_arguments_are_refused(void) {
    const uint64_t kEnd = 4u << 20, kHuge = ~(uint64_t)0;
    vtless_machine_config config = good_config();
    guest g;
    uint64_t v = 0;
    void* pointer = NULL;
    config.memory_bytes = 0;
    refuses_to_open(config, VTLESS_BAD_SIZE, "memory_bytes");
    config.memory_bytes = 4096;
    refuses_to_open(config, VTLESS_BAD_SIZE, "memory_bytes");
    config.memory_bytes = (1u << 20) + 1;
    refuses_to_open(config, VTLESS_BAD_SIZE, "memory_bytes");
    config.memory_bytes = (uint64_t)1 << 50;
    refuses_to_open(config, VTLESS_BAD_SIZE, "memory_bytes");

    open_machine(&g, NULL);
    CHECK_EQ(vtless_alloc_frames(g.machine, 0, 4096, &v), VTLESS_BAD_SIZE);
    CHECK_EQ(vtless_alloc_frames(g.machine, kHuge, 4096, &v), VTLESS_NO_MEMORY);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 0, &v), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 2048, &v), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, 4096 * 3, &v), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_alloc_frames(g.machine, 1, (uint64_t)1 << 63, &v), VTLESS_NO_MEMORY);
    v = alloc_frame(&g);
    CHECK_EQ(vtless_free_frames(g.machine, v + 1, 1), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, v, 0), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, v, 2), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, v, kHuge), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, 0, 1), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, kEnd, 1), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_free_frames(g.machine, v, 1), VTLESS_OK);

    CHECK_EQ(vtless_read(g.machine, kEnd - 4, &v, 8), VTLESS_BAD_ADDRESS);
    CHECK_TEXT(vtless_error_text(), "0x3ffffc");
    CHECK_EQ(vtless_write(g.machine, kEnd, &v, 1), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_write(g.machine, kHuge, &v, 8), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_read(g.machine, 8, &v, kHuge), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_note_write(g.machine, kEnd - 1, 2), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_map(g.machine, kEnd - 1, 2, VTLESS_MAP_NOTED, &pointer), VTLESS_BAD_ADDRESS);
    CHECK_EQ(vtless_map(g.machine, 0, 0, VTLESS_MAP_NOTED, &pointer), VTLESS_BAD_SIZE);
    CHECK_EQ(vtless_map(g.machine, 0, 8, 2, &pointer), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_unmap(g.machine, NULL), VTLESS_BAD_ADDRESS);
    CHECK(pointer == NULL);
    close_guest(&g);
}

void test_bad_values_are_refused(void) {
    vtless_machine_config config = good_config();
    guest g;
    vtless_segment segment;
    char text[8];
    config.cpu_profile = "i486";
    refuses_to_open(config, VTLESS_BAD_PROFILE, "i486");
    config.cpu_profile = "./no-such-file.json";
    refuses_to_open(config, VTLESS_BAD_PROFILE, "no-such-file.json");
    open_machine(&g, NULL);
    CHECK_MISUSE(vtless_read_segment(g.processor, 8, &segment), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_raise_interrupt(g.processor, 256), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_withdraw_interrupt(g.processor, 256), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_set_host_timer(g.processor, 0, 256), VTLESS_BAD_VALUE);
    CHECK_EQ(vtless_explain_vmcs(g.processor, text, sizeof text, NULL), VTLESS_NOTHING); /* no VMCS */
    CHECK_EQ(vtless_dump_vmcs(g.processor, text, sizeof text, NULL), VTLESS_NOTHING);
    close_guest(&g);
}
