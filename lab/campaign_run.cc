// SPDX-License-Identifier: MIT
#include "lab/campaign_run.h"

#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "lab/child_process.h"

namespace vtless::lab {

namespace {

using Clock = std::chrono::steady_clock;

// SIGCHLD and what interrupts, waited for instead of delivered. A signal that is ignored stays so: nohup.
class AwaitedSignals {
  public:
    AwaitedSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGCHLD);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            struct sigaction action {};
            sigaction(signal, nullptr, &action);
            if (action.sa_handler != SIG_IGN) sigaddset(&set_, signal);
        }
        // Were it ignored, children would vanish unseen.
        struct sigaction by_default {};
        by_default.sa_handler = SIG_DFL;
        sigaction(SIGCHLD, &by_default, &child_before_);
        sigprocmask(SIG_BLOCK, &set_, &before_);
    }
    ~AwaitedSignals() {
        sigprocmask(SIG_SETMASK, &before_, nullptr);
        sigaction(SIGCHLD, &child_before_, nullptr);
    }
    AwaitedSignals(const AwaitedSignals&) = delete;
    AwaitedSignals& operator=(const AwaitedSignals&) = delete;

    // The signal that interrupts, or 0: a child has ended or the time is over.
    int wait(std::chrono::milliseconds time) const {
        const timespec limit{time.count() / 1000, time.count() % 1000 * 1'000'000};
        const int signal = sigtimedwait(&set_, nullptr, &limit);
        return signal > 0 && signal != SIGCHLD ? signal : 0;
    }

  private:
    sigset_t set_{};
    sigset_t before_{};
    struct sigaction child_before_ {};
};

struct Job {
    const PlannedRun* run;
    ChildProcess child;
    Clock::time_point started;
    bool timed_out = false;
};

class Executor {
  public:
    Executor(const CampaignPlan& plan, const CampaignExecution& execution, const CampaignStore& store)
        : plan_(plan), execution_(execution), store_(store) {}

    vmm::Result<int> run();

  private:
    vmm::Result<void> fill();
    void end_overdue();
    vmm::Result<void> collect();
    vmm::Result<void> record(const PlannedRun& run, const RunResult& result);
    RunResult result_of_job(Job& job) const;

    const CampaignPlan& plan_;
    const CampaignExecution& execution_;
    const CampaignStore& store_;
    std::vector<Job> jobs_;
    size_t next_ = 0;
};

vmm::Result<int> Executor::run() {
    const AwaitedSignals signals;
    Clock::time_point ticked = Clock::now();
    for (;;) {
        if (const auto filled = fill(); !filled) return Unexpected(filled.error());
        if (jobs_.empty()) return 0;
        if (const int signal = signals.wait(std::chrono::milliseconds(200)); signal != 0) return signal;
        end_overdue();
        if (const auto collected = collect(); !collected) return Unexpected(collected.error());
        if (execution_.tick && Clock::now() - ticked >= std::chrono::seconds(1)) {
            ticked = Clock::now();
            execution_.tick(jobs_.size());
        }
    }
}

vmm::Result<void> Executor::fill() {
    while (jobs_.size() < execution_.jobs && next_ < execution_.runs.size()) {
        const PlannedRun& run = *execution_.runs[next_++];
        // Another shard's process, or the same run under another name, may have been first.
        const auto there = store_.find(run);
        if (!there) return Unexpected(there.error());
        if (*there && (*there)->outcome == RunResult::Outcome::Ended) {
            execution_.finished(run, **there, jobs_.size());
            continue;
        }
        auto child = ChildProcess::start(execution_.program, run.arguments);
        if (!child) return Unexpected(child.error());
        jobs_.push_back({&run, std::move(*child), Clock::now()});
    }
    return {};
}

void Executor::end_overdue() {
    if (!plan_.host_seconds) return;
    const std::chrono::seconds limit(static_cast<int64_t>(*plan_.host_seconds));
    for (Job& job : jobs_) {
        if (job.timed_out || Clock::now() - job.started < limit) continue;
        job.timed_out = !job.child.ended();
        job.child.kill();
    }
}

vmm::Result<void> Executor::collect() {
    for (size_t i = 0; i < jobs_.size();) {
        if (!jobs_[i].child.ended()) {
            ++i;
            continue;
        }
        Job job = std::move(jobs_[i]);
        jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
        // Whatever it has read, its key may not be a digest of it.
        if (const std::string changed = changed_file(plan_); !changed.empty())
            return vmm::fail("{}: it has changed since the campaign began: begin again", changed);
        if (auto recorded = record(*job.run, result_of_job(job)); !recorded) return recorded;
    }
    return {};
}

RunResult Executor::result_of_job(Job& job) const {
    RunResult result = result_of(job.child.finish());
    if (!job.timed_out) return result;
    return {RunResult::Outcome::TimedOut, fmt::format("not over in {} s of host time", *plan_.host_seconds),
            "", result.messages};
}

vmm::Result<void> Executor::record(const PlannedRun& run, const RunResult& result) {
    if (auto saved = store_.save(run, result); !saved) return saved;
    execution_.finished(run, result, jobs_.size());
    return {};
}

}  // namespace

vmm::Result<std::vector<const PlannedRun*>> runs_to_do(const CampaignPlan& plan, const CampaignStore& store) {
    std::vector<const PlannedRun*> runs;
    for (const PlannedRun& run : plan.runs) {
        const auto there = store.find(run);
        if (!there) return Unexpected(there.error());
        if (!*there || (*there)->outcome != RunResult::Outcome::Ended) runs.push_back(&run);
    }
    return runs;
}

vmm::Result<int> execute(const CampaignPlan& plan, const CampaignExecution& execution,
                         const CampaignStore& store) {
    return Executor(plan, execution, store).run();
}

}  // namespace vtless::lab
