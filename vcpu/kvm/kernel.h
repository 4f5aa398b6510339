// SPDX-License-Identifier: MIT
// The system calls that the KVM backend makes: the real ones, or a fake's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "isa/expected.h"

namespace vtless::kvm {

// Each returns errno where it fails. An indirect call costs a thousandth of the system call behind it.
class Kernel {
  public:
    virtual Expected<int, int> open(const char* path) = 0;
    // argument: a number, or the address of the request's structure.
    virtual Expected<int, int> ioctl(int fd, unsigned long request, uintptr_t argument) = 0;
    virtual Expected<uint8_t*, int> map(int fd, size_t bytes) = 0;
    virtual void unmap(uint8_t* first, size_t bytes) = 0;
    virtual void close(int fd) = 0;

  protected:
    ~Kernel() = default;  // never destroyed through this interface
};

Kernel& linux_kernel();

// A file descriptor that is closed when it goes.
class Descriptor {
  public:
    Descriptor() = default;
    Descriptor(Kernel& kernel, int fd) : kernel_(&kernel), fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(kernel_, other.kernel_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() {
        if (fd_ >= 0) kernel_->close(fd_);
    }

    Kernel& kernel() const { return *kernel_; }
    int get() const { return fd_; }
    Expected<int, int> raw(unsigned long request, uintptr_t argument) const {
        return kernel_->ioctl(fd_, request, argument);
    }

  private:
    Kernel* kernel_ = nullptr;
    int fd_ = -1;
};

// Memory that is shared with the kernel, unmapped when it goes.
class Mapping {
  public:
    Mapping() = default;
    Mapping(Kernel& kernel, uint8_t* first, size_t bytes) : kernel_(&kernel), first_(first), bytes_(bytes) {}
    Mapping(Mapping&& other) noexcept
        : kernel_(other.kernel_), first_(std::exchange(other.first_, nullptr)), bytes_(other.bytes_) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(kernel_, other.kernel_);
        std::swap(first_, other.first_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Mapping() {
        if (first_ != nullptr) kernel_->unmap(first_, bytes_);
    }

    uint8_t* data() const { return first_; }
    size_t size() const { return bytes_; }

  private:
    Kernel* kernel_ = nullptr;
    uint8_t* first_ = nullptr;
    size_t bytes_ = 0;
};

}  // namespace vtless::kvm
