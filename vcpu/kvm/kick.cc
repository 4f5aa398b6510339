// SPDX-License-Identifier: MIT
#include "vcpu/kvm/kick.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace vtless::kvm {

namespace {

thread_local Kick* running_here = nullptr;

pid_t thread_id() { return static_cast<pid_t>(::syscall(SYS_gettid)); }

void handle(int, siginfo_t* info, void*) {
    const int saved = errno;
    Kick::on_signal(info->si_code == SI_TIMER);
    errno = saved;
}

}  // namespace

void Kick::request() {
    requested_.store(true);
    set_immediate_exit(true);
    if (const pid_t thread = thread_.load(); thread != 0) ::syscall(SYS_tgkill, ::getpid(), thread, signal_);
}

Kick::Running::Running(Kick& kick) : kick_(kick) {
    running_here = &kick;
    kick.expired_.store(false);
    kick.thread_.store(thread_id());
}

Kick::Running::~Running() {
    kick_.thread_.store(0);
    running_here = nullptr;
}

// A request that comes between the two statements sets the flag again itself, after them.
void Kick::rearm() {
    set_immediate_exit(false);
    if (requested_.load()) set_immediate_exit(true);
}

void Kick::on_signal(bool timer) {
    Kick* kick = running_here;
    if (kick == nullptr) return;
    if (timer) kick->expired_.store(true);
    kick->set_immediate_exit(true);
}

Result<void> install_kick_handler(int signal) {
    struct sigaction present {};
    if (::sigaction(signal, nullptr, &present) != 0)
        return fail_with(VCpuErrc::InvalidInput, Failure::Signal, static_cast<uint32_t>(signal), errno);
    const bool ours = (present.sa_flags & SA_SIGINFO) != 0 && present.sa_sigaction == handle;
    if (ours) return {};
    if ((present.sa_flags & SA_SIGINFO) != 0 || present.sa_handler != SIG_DFL)
        return fail_with(VCpuErrc::ResourceBusy, Failure::Signal, static_cast<uint32_t>(signal));
    struct sigaction action {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO;  // not SA_RESTART: KVM_RUN is to end
    sigemptyset(&action.sa_mask);
    if (::sigaction(signal, &action, nullptr) != 0)
        return fail_with(VCpuErrc::InvalidInput, Failure::Signal, static_cast<uint32_t>(signal), errno);
    return {};
}

Result<SliceTimer> SliceTimer::create(int signal) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event._sigev_un._tid = thread_id();
    timer_t timer{};
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return fail_with(VCpuErrc::Backend, Failure::Timer, 0, errno);
    return SliceTimer(timer);
}

SliceTimer::~SliceTimer() {
    if (timer_) ::timer_delete(*timer_);
}

Result<void> SliceTimer::start(std::chrono::nanoseconds after) {
    constexpr int64_t kSecond = 1'000'000'000;
    itimerspec when{};
    when.it_value.tv_sec = after.count() / kSecond;
    when.it_value.tv_nsec = after.count() % kSecond;
    if (::timer_settime(*timer_, 0, &when, nullptr) != 0)
        return fail_with(VCpuErrc::Backend, Failure::Timer, 0, errno);
    return {};
}

}  // namespace vtless::kvm
