// SPDX-License-Identifier: MIT
// How a guest ends its own machine: the devices ask here, the run loop looks here after each access.
#pragma once

#include <cstdint>
#include <optional>

namespace vtless::vmm {

struct PowerRequest {
    enum class Kind : uint8_t { Reset, PowerOff, DebugExit };

    Kind kind = Kind::Reset;
    const char* source = "";  // the device that was used, for people
    uint8_t value = 0;        // DebugExit: the byte written
};

class PowerControl {
  public:
    // The first request of a run stands.
    void request(const PowerRequest& request) {
        if (!pending_) pending_ = request;
    }
    const std::optional<PowerRequest>& pending() const { return pending_; }

  private:
    std::optional<PowerRequest> pending_;
};

}  // namespace vtless::vmm
