// SPDX-License-Identifier: MIT
// What reaches the processor from outside.
#include "capi/handles.h"

using namespace vtless;
using namespace vtless::capi;

namespace {

vtless_error check_vector(const vtless_processor* processor, uint32_t vector) {
    if (const auto error = check(processor)) return error;
    return vector <= 255 ? VTLESS_OK : refuse(VTLESS_BAD_VALUE, "there is no vector {}", vector);
}

}  // namespace

vtless_error vtless_raise_interrupt(vtless_processor* processor, uint32_t vector) {
    if (const auto error = check_vector(processor, vector)) return error;
    processor->body->hw->raise_interrupt(static_cast<uint8_t>(vector));
    return VTLESS_OK;
}

vtless_error vtless_withdraw_interrupt(vtless_processor* processor, uint32_t vector) {
    if (const auto error = check_vector(processor, vector)) return error;
    processor->body->hw->withdraw_interrupt(static_cast<uint8_t>(vector));
    return VTLESS_OK;
}

vtless_error vtless_raise_nmi(vtless_processor* processor) {
    if (const auto error = check(processor)) return error;
    processor->body->hw->raise_nmi();
    return VTLESS_OK;
}

vtless_error vtless_withdraw_nmi(vtless_processor* processor) {
    if (const auto error = check(processor)) return error;
    processor->body->hw->withdraw_nmi();
    return VTLESS_OK;
}

vtless_error vtless_take_interrupt(vtless_processor* processor, uint32_t* vector) {
    if (const auto error = check(processor, vector, "vector")) return error;
    const auto taken = processor->body->hw->take_interrupt();
    if (!taken) return refuse(VTLESS_NOTHING, "no interrupt is pending");
    *vector = *taken;
    return VTLESS_OK;
}

vtless_error vtless_set_host_timer(vtless_processor* processor, uint64_t tsc, uint32_t vector) {
    if (const auto error = check_vector(processor, vector)) return error;
    processor->body->hw->set_host_timer(tsc, static_cast<uint8_t>(vector));
    return VTLESS_OK;
}

vtless_error vtless_idle(vtless_processor* processor) {
    if (const auto error = check(processor)) return error;
    if (processor->body->hw->idle_until_interrupt()) return VTLESS_OK;
    return refuse(VTLESS_NOTHING, "nothing is pending, and no host timer is set");
}

// Not through check: this is what another thread may do while the guest runs.
vtless_error vtless_request_exit(vtless_processor* processor) {
    if (processor == nullptr || processor->body == nullptr) return refuse_handle(processor);
    processor->body->hw->request_exit();
    return VTLESS_OK;
}
