/* SPDX-License-Identifier: MIT
 * Random calls with random arguments, handles that are closed among them: each call returns, with an outcome
 * that there is. A second thread ends guests that would run for ever. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "tests/capi/check.h"
#include "tests/capi/fields.h"
#include "tests/capi/guest.h"
#include "tests/capi/tests.h"

enum { MACHINES = 3, PROCESSORS = 4, STEPS = 200000, WITH_GUEST = 2 };

static uint64_t seed = 20240229;
static guest guests[WITH_GUEST];                 /* that are, or were, complete */
static vtless_machine* machines[MACHINES];       /* null, open or closed; the guests' too */
static vtless_processor* processors[PROCESSORS]; /* likewise */

static uint64_t next_random(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t below(uint64_t bound) { return (next_random() >> 11) % bound; }

/* Numbers at which something may change. */
static uint64_t any_value(void) {
    switch (below(6)) {
        case 0:
            return below(4);
        case 1:
            return (uint64_t)1 << below(64);
        case 2:
            return ~(uint64_t)0 - below(4096);
        case 3:
            return below(16u << 20);
        case 4:
            return below(1024) * 4096;
        default:
            return next_random();
    }
}

static uint32_t any_field(void) {
    static const uint32_t kBases[] = {0x0000, 0x0800, 0x0c00, 0x2000, 0x2800, 0x2c00, 0x4000,
                                      0x4400, 0x4800, 0x4c00, 0x6000, 0x6400, 0x6800, 0x6c00};
    if (below(8) == 0) return (uint32_t)next_random();
    return kBases[below(sizeof kBases / sizeof kBases[0])] + (uint32_t)below(0x36);
}

static const guest* any_guest(void) { return &guests[below(WITH_GUEST)]; }

static uint64_t any_address(void) {
    switch (below(5)) {
        case 0:
            return any_guest()->vmcs;
        case 1:
            return any_guest()->vmxon;
        case 2:
            return any_guest()->ram + below(GUEST_BYTES);
        case 3:
            return (4u << 20) - 8 + below(16);
        default:
            return any_value();
    }
}

static vtless_machine* any_machine(void) { return machines[below(MACHINES)]; }
static vtless_processor* any_processor(void) { return processors[below(PROCESSORS)]; }

static void is_outcome(vtless_outcome outcome) {
    CHECK(outcome.kind <= VTLESS_MISUSE);
    if (outcome.kind == VTLESS_FAULT) CHECK(outcome.number < 32);
    if (outcome.kind == VTLESS_FAIL_VALID) CHECK(outcome.number >= 1 && outcome.number <= 28);
    if (outcome.kind == VTLESS_MISUSE) {
        CHECK(outcome.number >= 1 && outcome.number <= VTLESS_NOTHING);
        CHECK(vtless_error_text()[0] != '\0');
    }
}

static void is_error(vtless_error error) { CHECK(error >= VTLESS_OK && error <= VTLESS_NOTHING); }

/* -------------------------------------------------------------------- guests that would run for ever */

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static vtless_processor* entered; /* all under guard */
static uint64_t entries;
static int finished;

static void* watch(void* unused) {
    const struct timespec kPause = {0, 2000000};
    uint64_t seen = 0;
    int done = 0;
    while (!done) {
        nanosleep(&kPause, NULL);
        pthread_mutex_lock(&guard);
        if (entered != NULL && entries == seen) vtless_request_exit(entered);
        seen = entries;
        done = finished;
        pthread_mutex_unlock(&guard);
    }
    return unused;
}

static void set_entered(vtless_processor* processor) {
    pthread_mutex_lock(&guard);
    entered = processor;
    entries += 1;
    pthread_mutex_unlock(&guard);
}

static void enter(vtless_processor* processor, int launch) {
    vtless_gprs gprs;
    unsigned i;
    for (i = 0; i < 16; ++i) gprs.gpr[i] = any_value();
    set_entered(processor);
    is_outcome(launch ? vtless_vmlaunch(processor, &gprs) : vtless_vmresume(processor, &gprs));
    set_entered(NULL);
}

/* ------------------------------------------------------------------------------------------- the calls */

static void open_or_close(void) {
    vtless_machine_config config;
    const uint64_t slot = below(MACHINES);
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.memory_bytes = below(3) == 0 ? any_value() % (64u << 20) : 1u << 20;
    switch (below(4)) {
        case 0:
            is_error(vtless_open(1, 0, &config, &machines[slot]));
            break;
        case 1:
            is_error(vtless_add_processor(any_machine(), &processors[below(PROCESSORS)]));
            break;
        case 2:
            is_error(vtless_remove_processor(any_processor()));
            break;
        default:
            is_error(vtless_close(machines[slot]));
    }
}

/* One guest from the beginning: the random calls have left little of it. */
static void renew_guest(void) {
    const uint64_t which = below(WITH_GUEST);
    static const unsigned char kCode[] = {0x0f, 0xa2, 0xe6, 0x80, 0xeb, 0xfa}; /* cpuid; out 80h, al; again */
    unsigned char noise[64];
    size_t i;
    for (i = 0; i < sizeof noise; ++i) noise[i] = (unsigned char)next_random();
    vtless_close(guests[which].machine);
    open_guest(&guests[which]);
    put_code(&guests[which], GUEST_CODE, noise, sizeof noise);
    if (below(2) == 0) put_code(&guests[which], GUEST_CODE, kCode, sizeof kCode);
    machines[which] = guests[which].machine;
    processors[which] = guests[which].processor;
}

static void touch_memory(void) {
    vtless_machine* const machine = any_machine();
    uint64_t value = any_value(), hpa = 0;
    void* pointer = NULL;
    switch (below(7)) {
        case 0:
            is_error(vtless_alloc_frames(machine, below(8), 4096u << below(4), &hpa));
            break;
        case 1:
            is_error(vtless_free_frames(machine, any_address(), below(4)));
            break;
        case 2:
            is_error(vtless_read(machine, any_address(), &value, below(sizeof value + 1)));
            break;
        case 3:
            is_error(vtless_write(machine, any_address(), &value, below(sizeof value + 1)));
            break;
        case 4:
            if (vtless_map(machine, any_address(), any_value(), (uint32_t)below(3), &pointer) == VTLESS_OK)
                *(unsigned char*)pointer = (unsigned char)value;
            if (below(2) == 0) is_error(vtless_unmap(machine, pointer));
            break;
        case 5:
            is_error(vtless_unmap(machine, &value));
            break;
        default:
            is_error(vtless_note_write(machine, any_address(), any_value()));
    }
}

static void touch_vmcs(void) {
    vtless_processor* const processor = any_processor();
    uint64_t value = any_value(), descriptor[2];
    descriptor[0] = below(2) == 0 ? below(3) : any_value();
    descriptor[1] = any_value();
    switch (below(9)) {
        case 0:
            is_outcome(vtless_vmclear(processor, any_address()));
            break;
        case 1:
            is_outcome(vtless_vmptrld(processor, any_address()));
            break;
        case 2:
            is_outcome(vtless_vmptrst(processor, &value));
            break;
        case 3:
            is_outcome(below(20) == 0 ? vtless_vmxoff(processor) : vtless_vmxon(processor, any_address()));
            break;
        case 4:
            is_outcome(vtless_vmread(processor, any_field(), &value));
            break;
        case 5:
        case 6:
            is_outcome(vtless_vmwrite(processor, any_field(), value));
            break;
        case 7:
            is_outcome(vtless_invept(processor, below(4), descriptor));
            break;
        default:
            is_outcome(vtless_invvpid(processor, below(5), descriptor));
    }
}

static void touch_registers(void) {
    vtless_processor* const processor = any_processor();
    const uint32_t number = (uint32_t)below(10);
    uint64_t value = any_value();
    vtless_cpuid_result cpuid;
    vtless_segment segment;
    switch (below(9)) {
        case 0:
            is_outcome(vtless_read_cr(processor, number, &value));
            break;
        case 1:
            is_outcome(vtless_write_cr(processor, number, value));
            break;
        case 2:
            is_outcome(vtless_read_dr(processor, number, &value));
            break;
        case 3:
            is_outcome(vtless_write_dr(processor, number, value));
            break;
        case 4:
            is_outcome(
                vtless_rdmsr(processor, below(2) == 0 ? 0xc0000080u + number : (uint32_t)value, &value));
            break;
        case 5:
            is_outcome(
                vtless_wrmsr(processor, below(2) == 0 ? 0xc0000080u + number : 0x170u + number, value));
            break;
        case 6:
            is_outcome(vtless_cpuid(processor, (uint32_t)any_value(), number, &cpuid));
            break;
        case 7:
            is_outcome(vtless_xsetbv(processor, number / 8, value));
            break;
        default:
            is_outcome(vtless_read_segment(processor, number, &segment));
    }
}

static void touch_platform(void) {
    vtless_processor* const processor = any_processor();
    uint32_t vector = (uint32_t)below(300);
    switch (below(7)) {
        case 0:
            is_error(vtless_raise_interrupt(processor, vector));
            break;
        case 1:
            is_error(vtless_withdraw_interrupt(processor, vector));
            break;
        case 2:
            is_error(below(2) == 0 ? vtless_raise_nmi(processor) : vtless_withdraw_nmi(processor));
            break;
        case 3:
            is_error(vtless_take_interrupt(processor, &vector));
            break;
        case 4:
            is_error(vtless_set_host_timer(processor, any_value(), vector));
            break;
        case 5:
            is_error(vtless_idle(processor));
            break;
        default:
            is_error(vtless_request_exit(processor));
    }
}

static void look(void) {
    vtless_processor* const processor = any_processor();
    vtless_exit_info info;
    vtless_entry_failure failure;
    char text[100];
    size_t length = 0;
    memset(&info, 0, sizeof info);
    memset(&failure, 0, sizeof failure);
    info.size = sizeof info;
    failure.size = sizeof failure;
    is_outcome(vtless_last_exit(processor, &info));
    if (vtless_explain_entry(processor, &failure) == VTLESS_OK) CHECK(strlen(failure.sentence) > 0);
    if (below(50) == 0) is_error(vtless_explain_vmcs(processor, text, below(sizeof text + 1), &length));
    if (below(50) == 0) is_error(vtless_dump_vmcs(processor, text, below(sizeof text + 1), &length));
}

void test_random_calls_never_crash(void) {
    pthread_t watcher;
    int step;
    CHECK_EQ(pthread_create(&watcher, NULL, watch, NULL), 0);
    for (step = 0; step < STEPS; ++step) {
        const uint64_t what = below(100);
        if (step % 500 == 0) renew_guest();
        if (what == 0) {
            if (below(4) == 0) open_or_close();
        } else if (what < 20) {
            touch_memory();
        } else if (what < 50) {
            touch_vmcs();
        } else if (what < 65) {
            touch_registers();
        } else if (what < 75) {
            touch_platform();
        } else if (what < 85) {
            look();
        } else {
            enter(any_processor(), what % 2 == 0);
        }
    }
    pthread_mutex_lock(&guard);
    finished = 1;
    pthread_mutex_unlock(&guard);
    CHECK_EQ(pthread_join(watcher, NULL), 0);
    for (step = 0; step < MACHINES; ++step) vtless_close(machines[step]);
}
