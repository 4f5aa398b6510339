// SPDX-License-Identifier: MIT
// Reports misuse of VMX that silicon tolerates, or punishes later. Attached to processors by
// VmxProcessorConfig; without one they check nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "sim/sanitizer/finding.h"
#include "sim/sanitizer/vmcs_record.h"
#include "sim/vmx/vmx_observer.h"

namespace vtless::sim {

struct SanitizerConfig {
    RuleSet ignored;
    size_t max_findings = 256;  // more are only counted
    // Called for each finding when it is first made.
    std::function<void(const Finding&)> listener;
};

// For all processors of one machine: it outlives them, and they share their memory. Like a processor it is
// not thread-safe: processors of one sanitizer run on one thread.
class Sanitizer {
  public:
    explicit Sanitizer(SanitizerConfig config = {}) : config_(std::move(config)) {}
    Sanitizer(const Sanitizer&) = delete;
    Sanitizer& operator=(const Sanitizer&) = delete;

    // In the order in which they were made; repeats of one are counted in it.
    std::span<const Finding> findings() const { return findings_; }
    // Findings beyond max_findings.
    uint64_t dropped() const { return dropped_; }
    bool clean() const { return findings_.empty() && dropped_ == 0; }

    // For processors: what watches the next one.
    std::unique_ptr<VmxObserver> watch_processor();

    // For the rules. Findings of one rule and VMCS are the same if both keys are.
    struct Key {
        uint64_t first = 0;
        uint64_t second = 0;
    };
    void report(Rule rule, const FindingSite& site, Key key, const std::function<std::string()>& details);
    // What is known of the VMCS at this address; nullptr if more are in use than are kept.
    VmcsRecord* record(Hpa region);

  private:
    static constexpr size_t kMaxVmcss = 1024;

    SanitizerConfig config_;
    std::vector<Finding> findings_;
    std::map<std::tuple<Rule, uint64_t, uint64_t, uint64_t>, size_t> index_;
    std::map<uint64_t, VmcsRecord> records_;
    uint64_t dropped_ = 0;
    unsigned processors_ = 0;
};

}  // namespace vtless::sim
