// SPDX-License-Identifier: MIT
#include "lab/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vtless::lab {

namespace {

constexpr size_t kMaxOutput = 16 << 20;

// From the start of a file that the child has written.
std::string take(int file) {
    std::string text;
    std::array<char, 65536> part{};
    while (text.size() < kMaxOutput) {
        const ssize_t got = pread(file, part.data(), part.size(), static_cast<off_t>(text.size()));
        if (got <= 0) break;
        text.append(part.data(), static_cast<size_t>(got));
    }
    return text;
}

// In the child: only what is safe after fork.
[[noreturn]] void become(char* const* argv, const std::array<int, 3>& files, pid_t parent) {
    // posix_spawn cannot do this: a campaign that is killed leaves no guest behind that spins for ever.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (int i = 0; i < 3; ++i) {
        dup2(files[static_cast<size_t>(i)], i);
        fcntl(i, F_SETFD, 0);  // dup2 of a file onto itself keeps it closed on exec
    }
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&blocked, signal);
    sigprocmask(SIG_SETMASK, &blocked, nullptr);
    execv(argv[0], argv);
    const char* reason = std::strerror(errno);
    for (const char* part : {"cannot execute ", static_cast<const char*>(argv[0]), ": ", reason, "\n"})
        if (write(STDERR_FILENO, part, std::strlen(part)) < 0) break;
    _exit(127);
}

}  // namespace

vmm::Result<ChildProcess> ChildProcess::start(const std::string& program,
                                              const std::vector<std::string>& arguments) {
    ChildProcess child;
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    child.out_ = memfd_create("vtless-out", MFD_CLOEXEC);
    child.err_ = memfd_create("vtless-err", MFD_CLOEXEC);
    std::vector<std::string> words = {program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const bool files = null >= 0 && child.out_ >= 0 && child.err_ >= 0;
    const pid_t self = getpid();
    child.pid_ = files ? fork() : -1;
    const int error = errno;
    if (child.pid_ == 0) become(argv.data(), {null, child.out_, child.err_}, self);
    if (null >= 0) close(null);
    if (child.pid_ < 0) return vmm::fail("no process for {}: {}", program, std::strerror(error));
    return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(status_, other.status_);
    std::swap(out_, other.out_);
    std::swap(err_, other.err_);
    return *this;
}

ChildProcess::~ChildProcess() {
    if (pid_ > 0) {
        kill();
        waitpid(pid_, nullptr, 0);
    }
    if (out_ >= 0) close(out_);
    if (err_ >= 0) close(err_);
}

bool ChildProcess::ended() {
    if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
}

void ChildProcess::kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

ChildEnd ChildProcess::finish() {
    if (pid_ > 0) waitpid(std::exchange(pid_, -1), &status_, 0);
    return {status_, take(out_), take(err_)};
}

}  // namespace vtless::lab
