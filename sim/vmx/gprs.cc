// SPDX-License-Identifier: MIT
#include "sim/vmx/gprs.h"

#include <algorithm>

#include "sim/engine/engine.h"

namespace vtless::sim {

void GprResidence::evict() {
    if (resident_ == nullptr) return;
    std::copy_n(resident_->registers_, x86::kGprCount, resident_->values_.data());
    resident_->registers_ = resident_->values_.data();
    resident_->home_ = nullptr;
    resident_ = nullptr;
}

void GprResidence::replace(Gprs& gprs) {
    evict();
    if (gprs.home_ != nullptr) gprs.home_->evict();  // another processor has them
    uint64_t* const registers = engine_->gprs();
    for (size_t i = 0; i < x86::kGprCount; ++i) {
        if (static_cast<x86::Gpr>(i) != x86::Gpr::RSP) registers[i] = gprs.values_[i];
    }
    gprs.registers_ = registers;
    gprs.home_ = this;
    resident_ = &gprs;
}

void Gprs::take(Gprs& other) {
    values_ = other.values_;
    home_ = other.home_;
    registers_ = home_ == nullptr ? values_.data() : other.registers_;
    other.registers_ = other.values_.data();
    other.home_ = nullptr;
    if (home_ != nullptr) home_->resident_ = this;
}

void Gprs::leave() {
    if (home_ != nullptr) home_->resident_ = nullptr;
    home_ = nullptr;
    registers_ = values_.data();
}

}  // namespace vtless::sim
