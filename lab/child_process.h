// SPDX-License-Identifier: MIT
// A process of our own executable or another, that never outlives us.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "vmm/error.h"

namespace vtless::lab {

struct ChildEnd {
    int status = 0;  // as waitpid gives it
    std::string out;
    std::string err;
};

class ChildProcess {
  public:
    // Nothing to read, what it writes is kept. It does not get the terminal's signals: who started it
    // decides.
    static vmm::Result<ChildProcess> start(const std::string& program,
                                           const std::vector<std::string>& arguments);

    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    ~ChildProcess();  // kills it

    pid_t pid() const { return pid_; }
    bool ended();       // does not wait
    void kill();        // at once; it has still to end
    ChildEnd finish();  // waits; once

  private:
    ChildProcess() = default;

    pid_t pid_ = -1;  // -1 once it has been waited for
    int status_ = 0;
    int out_ = -1;
    int err_ = -1;
};

}  // namespace vtless::lab
