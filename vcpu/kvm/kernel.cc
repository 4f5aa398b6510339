// SPDX-License-Identifier: MIT
#include "vcpu/kvm/kernel.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace vtless::kvm {

namespace {

class LinuxKernel final : public Kernel {
  public:
    Expected<int, int> open(const char* path) override {
        const int fd = ::open(path, O_RDWR | O_CLOEXEC);
        return result(fd);
    }
    Expected<int, int> ioctl(int fd, unsigned long request, uintptr_t argument) override {
        return result(::ioctl(fd, request, argument));
    }
    Expected<uint8_t*, int> map(int fd, size_t bytes) override {
        void* first = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (first == MAP_FAILED) return Unexpected(errno);
        return static_cast<uint8_t*>(first);
    }
    void unmap(uint8_t* first, size_t bytes) override { ::munmap(first, bytes); }
    void close(int fd) override { ::close(fd); }

  private:
    static Expected<int, int> result(int value) {
        if (value < 0) return Unexpected(errno);
        return value;
    }
};

}  // namespace

Kernel& linux_kernel() {
    static LinuxKernel kernel;
    return kernel;
}

}  // namespace vtless::kvm
