// SPDX-License-Identifier: MIT
// Event injection. SDM Vol. 3C "VM-Entry Controls for Event Injection" (25.8.3), "Checks on VM-Entry Control
// Fields" (27.2.1.3), "Event Injection" (27.6).
#include "tests/probe/image/probe.h"

namespace probe {
namespace {

constexpr uint64_t kValid = 1u << 31;
constexpr uint64_t kErrorCode = 1u << 11;

void inject(uint64_t information, uint64_t error_code, uint64_t length) {
    set(Field::VM_ENTRY_INTERRUPTION_INFORMATION, information);
    set(Field::VM_ENTRY_EXCEPTION_ERROR_CODE, error_code);
    set(Field::VM_ENTRY_INSTRUCTION_LENGTH, length);
}

void vector_rows(unsigned first_type, unsigned last_type) {
    for (unsigned type = first_type; type <= last_type; ++type) {
        for (unsigned vector = 0; vector < 36; ++vector) {
            const unsigned v = vector == 34 ? 0x80 : vector == 35 ? 0xff : vector;
            for (unsigned variant = 0; variant < 3; ++variant) {
                begin_row();
                set(Field::GUEST_RFLAGS, 0x202);
                inject(kValid | (variant == 1 ? kErrorCode : 0) | type << 8 | v, variant == 1 ? 0x18 : 0, 2);
                if (variant == 2) set(Field::EXCEPTION_BITMAP, 0);
                key("inject", type, v, variant);
                enter_and_report();
            }
        }
    }
}

void word_rows() {
    for (unsigned bit = 0; bit < 32; ++bit) {
        begin_row();
        inject(kValid | kErrorCode | 3 << 8 | 13, 1u << bit, 0);
        key("inject-error-code", 0, bit);
        enter_and_report();
        if (bit == 10) continue;  // type 7
        begin_row();
        inject((kValid | 3 << 8 | 6) ^ 1u << bit, 0, 0);
        key("inject-bit", 0, bit);
        enter_and_report();
    }
    for (const unsigned type : {4u, 5u, 6u}) {
        for (unsigned length = 0; length < 18; ++length) {
            begin_row();
            inject(kValid | type << 8 | 3, 0, length);
            key("inject-length", type, length);
            enter_and_report();
        }
    }
}

// Which event may come in which state.
void state_rows_of(uint64_t activity) {
    constexpr uint64_t kEvents[] = {0x021, 0x202, 0x301, 0x303, 0x306, 0x30d,
                                    0x30e, 0x312, 0x480, 0x503, 0x603, 0x604};
    for (const uint64_t event : kEvents) {
        for (unsigned blocking = 0; blocking < 16; ++blocking) {
            for (unsigned enabled = 0; enabled < 2; ++enabled) {
                begin_row();
                set(Field::GUEST_ACTIVITY_STATE, activity);
                set(Field::GUEST_INTERRUPTIBILITY_STATE, blocking);
                set(Field::GUEST_RFLAGS, 2 | enabled << 9);
                const bool coded = event == 0x30d || event == 0x30e;
                inject(kValid | event | (coded ? kErrorCode : 0), 0, 1);
                key("inject-state", activity << 16 | event, blocking, enabled);
                enter_and_report();
            }
        }
    }
}

// Delivery that meets a fault of its own: gates, stacks, nested exceptions.
void delivery_rows() {
    constexpr uint64_t kEvents[] = {0x021, 0x202, 0x300, 0x306, 0x30e, 0x480, 0x503};
    for (const uint64_t event : kEvents) {
        for (unsigned trouble = 0; trouble < 10; ++trouble) {
            begin_row();
            set(Field::GUEST_RFLAGS, 0x202);
            inject(kValid | event | (event == 0x30e ? kErrorCode : 0), 0, 2);
            if (trouble >= 5) set(Field::EXCEPTION_BITMAP, 0);
            switch (trouble % 5) {
                case 0:
                    set(Field::GUEST_IDTR_LIMIT, (event & 0xff) * 16 + 14);
                    break;
                case 1:
                    set(Field::GUEST_IDTR_BASE, 0x40000000);
                    break;
                case 2:
                    set(Field::GUEST_RSP, 0x40000008);
                    break;
                case 3:
                    set(Field::GUEST_RSP, 0x800000000000);
                    break;
                case 4:
                    set(Field::GUEST_GDTR_LIMIT, 0x17);
                    break;
                default:
                    break;
            }
            key("deliver", event, trouble);
            enter_and_report();
        }
    }
}

}  // namespace

void event_rows() {
    vector_rows(0, 6);
    word_rows();
    for (const uint64_t activity : {0u, 1u, 2u}) state_rows_of(activity);
    delivery_rows();
}

// Type 7, a pending MTF VM exit: Bochs 2.7 gives up there.
void last_rows() { vector_rows(7, 7); }

// SDM Vol. 3C "Checks on Guest Non-Register State" (27.3.1.5).
void state_rows() {
    constexpr uint64_t kDebug[] = {0, 1 << 14, 1 << 12 | 1, 1 << 12, 1 << 14 | 1 << 12, 2};
    for (uint64_t activity = 0; activity < 3; ++activity) {
        for (uint64_t blocking = 0; blocking < 32; ++blocking) {
            for (unsigned flags = 0; flags < 4; ++flags) {
                for (const uint64_t debug : kDebug) {
                    begin_row();
                    set(Field::GUEST_ACTIVITY_STATE, activity);
                    set(Field::GUEST_INTERRUPTIBILITY_STATE, blocking);
                    set(Field::GUEST_RFLAGS, 2 | (flags & 1) << 9 | (flags >> 1) << 8);
                    set(Field::GUEST_PENDING_DEBUG_EXCEPTIONS, debug);
                    key("state", activity << 8 | blocking, flags, debug);
                    enter_and_report();
                }
            }
        }
    }
}

}  // namespace probe
