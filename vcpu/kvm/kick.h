// SPDX-License-Identifier: MIT
// How a vCPU leaves the guest early: asked by another thread, or at the end of its time slice. A signal ends
// KVM_RUN, and kvm_run.immediate_exit a KVM_RUN that has not begun yet.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>

#include "vcpu/kvm/failure.h"

namespace vtless::kvm {

// Shared with the threads that ask.
class Kick {
  public:
    Kick(uint8_t* immediate_exit, int signal) : immediate_exit_(immediate_exit), signal_(signal) {}

    // From any thread. The running KVM_RUN returns, or else the next one.
    void request();
    // Whether somebody asked since; forgets it.
    bool take_request() { return requested_.exchange(false); }
    bool take_expiry() { return expired_.exchange(false); }

    // Around KVM_RUN: this thread gets the signals, and they work.
    class Running {
      public:
        explicit Running(Kick& kick);
        ~Running();
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

      private:
        Kick& kick_;
    };
    // KVM_RUN shall do no more than finish the instruction whose exit was answered.
    void stop_at_once() { set_immediate_exit(true); }
    // After KVM_RUN: not again for the same request.
    void rearm();
    // The flags are a new kvm_run's.
    static void on_signal(bool timer);

  private:
    void set_immediate_exit(bool value) {
        std::atomic_ref<uint8_t>(*immediate_exit_).store(value ? 1 : 0, std::memory_order_seq_cst);
    }

    uint8_t* immediate_exit_;
    int signal_;
    std::atomic<bool> requested_ = false;
    std::atomic<bool> expired_ = false;
    std::atomic<pid_t> thread_ = 0;  // in KVM_RUN; 0: none
};

// Installs the handler, once for the process. ResourceBusy if the signal has another one.
Result<void> install_kick_handler(int signal);

// A timer that sends the signal to the thread that makes it.
class SliceTimer {
  public:
    static Result<SliceTimer> create(int signal);
    SliceTimer(SliceTimer&& other) noexcept : timer_(other.timer_) { other.timer_.reset(); }
    SliceTimer& operator=(SliceTimer&&) = delete;
    ~SliceTimer();

    // One shot; 0 stops it.
    Result<void> start(std::chrono::nanoseconds after);

  private:
    explicit SliceTimer(timer_t timer) : timer_(timer) {}

    std::optional<timer_t> timer_;
};

}  // namespace vtless::kvm
