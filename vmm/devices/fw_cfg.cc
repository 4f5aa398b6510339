// SPDX-License-Identifier: MIT
#include "vmm/devices/fw_cfg.h"

#include "isa/check.h"

namespace vtless::vmm {

namespace {

constexpr uint16_t kSelector = 0x510;
constexpr uint16_t kData = 0x511;
constexpr size_t kNameSize = 56;  // with its terminating zero

void append_big_endian(std::vector<uint8_t>& out, uint64_t value, unsigned size) {
    for (unsigned i = size; i-- > 0;) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

}  // namespace

FwCfg::FwCfg() {
    set_item(kSignature, {'Q', 'E', 'M', 'U'});
    set_number(kId, 1, 4);  // bit 0: the traditional interface; bit 1 would be DMA
    rebuild_files();
}

void FwCfg::attach(PortBus& bus) {
    bus.attach({kSelector, 1}, *this, AccessWidth::Word);
    bus.attach({kData, 1}, *this, AccessWidth::Byte);
}

void FwCfg::set_item(uint16_t key, std::vector<uint8_t> bytes) { items_[key] = std::move(bytes); }

void FwCfg::set_number(uint16_t key, uint64_t value, unsigned size) {
    std::vector<uint8_t> bytes;
    for (unsigned i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
    set_item(key, std::move(bytes));
}

void FwCfg::set_file(std::string_view name, std::vector<uint8_t> bytes) {
    VTLESS_CHECK(!name.empty() && name.size() < kNameSize);
    files_.insert_or_assign(std::string(name), std::move(bytes));
    rebuild_files();
}

// The directory: a count, then size, selector, two reserved bytes and the name of each file, big-endian.
void FwCfg::rebuild_files() {
    std::vector<uint8_t> directory;
    append_big_endian(directory, files_.size(), 4);
    uint16_t key = kFirstFile;
    for (const auto& [name, bytes] : files_) {
        append_big_endian(directory, bytes.size(), 4);
        append_big_endian(directory, key, 2);
        append_big_endian(directory, 0, 2);
        directory.insert(directory.end(), name.begin(), name.end());
        directory.resize(directory.size() + kNameSize - name.size());
        set_item(key++, bytes);
    }
    set_item(kFileDirectory, std::move(directory));
}

uint32_t FwCfg::read_port(uint16_t port, AccessWidth) {
    if (port == kSelector) return selected_;
    const auto item = items_.find(selected_);
    if (item == items_.end() || offset_ >= item->second.size()) return 0;
    return item->second[offset_++];
}

void FwCfg::write_port(uint16_t port, AccessWidth, uint32_t value) {
    if (port != kSelector) return;  // writing items is not offered any more
    selected_ = static_cast<uint16_t>(value);
    offset_ = 0;
}

}  // namespace vtless::vmm
