// SPDX-License-Identifier: MIT
#include "sim/cpu/task_switch.h"

namespace vtless::sim {

using x86::SystemType;
using x86::Vector;

namespace {

// The last byte that a task of 32 or 16 bits keeps in its TSS.
constexpr uint32_t kLimit32 = 0x67;
constexpr uint32_t kLimit16 = 0x2b;

Vector vector_of(bool returning) { return returning ? Vector::TS : Vector::GP; }

}  // namespace

bool check_task(Operation& operation, uint16_t tss, bool returning) {
    const Vector vector = vector_of(returning);
    if (x86::selector_is_ldt(tss)) return operation.fail_selector(vector, tss);
    Descriptor descriptor;
    return operation.read_descriptor(tss, vector, descriptor) && check_task(operation, descriptor, returning);
}

bool check_task(Operation& operation, const Descriptor& tss, bool returning) {
    const x86::AccessRights rights = tss.rights();
    const bool is32 = rights.is_system(returning ? SystemType::TSS32_BUSY : SystemType::TSS32_AVAILABLE);
    const bool is16 = rights.is_system(returning ? SystemType::TSS16_BUSY : SystemType::TSS16_AVAILABLE);
    if (!is32 && !is16) return operation.fail_selector(vector_of(returning), tss.selector);
    if (!rights.present()) return operation.fail_selector(Vector::NP, tss.selector);
    if (tss.segment().limit < (is32 ? kLimit32 : kLimit16))
        return operation.fail_selector(Vector::TS, tss.selector);
    return true;
}

}  // namespace vtless::sim
