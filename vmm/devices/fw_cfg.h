// SPDX-License-Identifier: MIT
// QEMU's firmware configuration device: selector at port 0x510, data at port 0x511, no DMA interface (the id
// says so). QEMU "docs/specs/fw_cfg".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/device.h"
#include "vmm/port_bus.h"

namespace vtless::vmm {

class FwCfg final : public PortDevice {
  public:
    enum Key : uint16_t {
        kSignature = 0x0000,
        kId = 0x0001,
        kRamSize = 0x0003,
        kNoGraphics = 0x0004,
        kCpuCount = 0x0005,
        kMaximumCpus = 0x000f,
        kFileDirectory = 0x0019,
        kFirstFile = 0x0020,
    };

    FwCfg();
    void attach(PortBus& bus);

    void set_item(uint16_t key, std::vector<uint8_t> bytes);
    void set_number(uint16_t key, uint64_t value, unsigned size);  // little-endian, size in bytes
    // Names are at most 55 characters; a name that is there is replaced.
    void set_file(std::string_view name, std::vector<uint8_t> bytes);

    uint32_t read_port(uint16_t port, AccessWidth width) override;
    void write_port(uint16_t port, AccessWidth width, uint32_t value) override;

  private:
    void rebuild_files();

    std::map<uint16_t, std::vector<uint8_t>> items_;
    std::map<std::string, std::vector<uint8_t>, std::less<>> files_;
    uint16_t selected_ = 0;
    size_t offset_ = 0;
};

}  // namespace vtless::vmm
