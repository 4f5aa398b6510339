// SPDX-License-Identifier: MIT
#include "sim/vmx/gprs.h"

#include "sim/engine/engine.h"

namespace vtless::sim {

void GprResidence::evict() {
    if (resident_ == nullptr) return;
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        resident_->values_[i] = engine_->gpr(static_cast<x86::Gpr>(i));
    }
    resident_->home_ = nullptr;
    resident_ = nullptr;
}

void GprResidence::replace(Gprs& gprs) {
    evict();
    if (gprs.home_ != nullptr) gprs.home_->evict();  // another processor has them
    for (unsigned i = 0; i < x86::kGprCount; ++i) {
        if (static_cast<x86::Gpr>(i) != x86::Gpr::RSP)
            engine_->set_gpr(static_cast<x86::Gpr>(i), gprs.values_[i]);
    }
    gprs.home_ = this;
    resident_ = &gprs;
}

uint64_t Gprs::get(x86::Gpr index) const {
    return home_ == nullptr ? values_[static_cast<size_t>(index)] : home_->engine_->gpr(index);
}

void Gprs::set(x86::Gpr index, uint64_t value) {
    values_[static_cast<size_t>(index)] = value;
    if (home_ != nullptr) home_->engine_->set_gpr(index, value);
}

void Gprs::take(Gprs& other) {
    values_ = other.values_;
    home_ = other.home_;
    other.home_ = nullptr;
    if (home_ != nullptr) home_->resident_ = this;
}

void Gprs::leave() {
    if (home_ != nullptr) home_->resident_ = nullptr;
    home_ = nullptr;
}

}  // namespace vtless::sim
