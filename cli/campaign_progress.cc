// SPDX-License-Identifier: MIT
#include "cli/campaign_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "lab/campaign_table.h"

namespace vtless::cli {

CampaignProgress::CampaignProgress(size_t runs) : runs_(runs), terminal_(isatty(STDERR_FILENO) == 1) {}

void CampaignProgress::finished(const lab::PlannedRun& run, const lab::RunResult& result, size_t running) {
    ++done_;
    const bool failed = result.outcome != lab::RunResult::Outcome::Ended;
    failed_ += failed ? 1 : 0;
    clear();
    if (!terminal_ || failed)
        fmt::print(stderr, "[{}/{}] {}: {}\n", done_, runs_, lab::describe(run), lab::describe(run, result));
    tick(running);
}

void CampaignProgress::tick(size_t running) {
    if (!terminal_) return;
    const auto time = std::chrono::steady_clock::now() - begun_;
    fmt::print(stderr, "\r[{}/{}] {} running, {} without a report, {} s\x1b[K", done_, runs_, running,
               failed_, std::chrono::duration_cast<std::chrono::seconds>(time).count());
    std::fflush(stderr);
}

void CampaignProgress::clear() {
    if (terminal_) fmt::print(stderr, "\r\x1b[K");
}

}  // namespace vtless::cli
