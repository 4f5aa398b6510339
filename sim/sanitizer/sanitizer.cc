// SPDX-License-Identifier: MIT
#include "sim/sanitizer/sanitizer.h"

#include <fmt/format.h>

#include "sim/sanitizer/vmx_watch.h"

namespace vtless::sim {

std::string describe(const Finding& finding) {
    const RuleInfo& rule = info(finding.rule);
    const FindingSite& site = finding.site;
    std::string text = fmt::format("{}: {} {}", rule.id, rule.sentence, finding.details);
    fmt::format_to(std::back_inserter(text), " [processor {}, after exit {}, cycle {}, RIP {:#x}, VMCS {:#x}",
                   site.processor, site.exits, site.cycles, site.rip, site.vmcs.value());
    if (finding.count > 1) fmt::format_to(std::back_inserter(text), ", {} times", finding.count);
    return text + fmt::format("] {} {}", rule.advice, rule.section);
}

std::unique_ptr<VmxObserver> Sanitizer::watch_processor() {
    return std::make_unique<VmxWatch>(*this, processors_++);
}

void Sanitizer::report(Rule rule, const FindingSite& site, Key key,
                       const std::function<std::string()>& details) {
    if (config_.ignored.has(rule)) return;
    const std::tuple id(rule, site.vmcs.value(), key.first, key.second);
    const auto known = index_.find(id);
    if (known != index_.end()) {
        ++findings_[known->second].count;
        return;
    }
    if (findings_.size() >= config_.max_findings) {
        ++dropped_;
        return;
    }
    index_.emplace(id, findings_.size());
    findings_.push_back({rule, site, details(), 1});
    if (config_.listener) config_.listener(findings_.back());
}

VmcsRecord* Sanitizer::record(Hpa region) {
    const auto known = records_.find(region.value());
    if (known != records_.end()) return &known->second;
    if (records_.size() >= kMaxVmcss) return nullptr;
    return &records_[region.value()];
}

}  // namespace vtless::sim
