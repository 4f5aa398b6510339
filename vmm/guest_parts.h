// SPDX-License-Identifier: MIT
// What a run needs on any backend: the guest's files, the outputs, and what is device memory.
#pragma once

#include <optional>
#include <vector>

#include "vcpu/vmx/config.h"
#include "vmm/board.h"
#include "vmm/device.h"
#include "vmm/guest_run.h"
#include "vmm/loaders/boot_state.h"
#include "vmm/loaders/image_file.h"
#include "vmm/loaders/linux.h"

namespace vtless::vmm {

// The guest's files, read and checked as far as that goes without memory.
struct GuestImages {
    std::optional<Image> firmware;
    std::optional<Image> flat;
    std::optional<LinuxImages> linux_images;

    uint64_t rom_bytes() const { return firmware ? firmware->bytes.size() : 0; }
};

// Of guest-physical addresses. The processor has as many, or is said to.
inline constexpr unsigned kPhysicalBits = 40;

// The size of the memory is checked here, too.
Result<GuestImages> read_guest(const GuestRunConfig& config);
Result<BootState> load_guest(const GuestRunConfig& config, const GuestImages& images, GuestMemory& memory);
Result<BoardConfig> open_outputs(const GuestRunConfig& config);
// Everything that is not memory is a device's, or nobody's; so are writes to ROM.
std::vector<vmx::MmioRange> device_ranges(const GuestMemory& memory);
// Without these bytes of it.
std::vector<vmx::MmioRange> ranges_without(const std::vector<vmx::MmioRange>& ranges,
                                           const vmx::MmioRange& hole);

// Reads of ROM by instructions that also write; what they write is lost.
class RomDevice final : public MmioDevice {
  public:
    explicit RomDevice(const GuestMemory& memory) : memory_(memory) {}
    uint64_t read_mmio(Gpa address, AccessWidth width) override;
    void write_mmio(Gpa, AccessWidth, uint64_t) override {}

  private:
    const GuestMemory& memory_;
};

}  // namespace vtless::vmm
