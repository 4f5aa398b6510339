// SPDX-License-Identifier: MIT
// Names for a guest's code, by linear address.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/error.h"

namespace vtless::lab {

struct GuestSymbol {
    uint64_t first = 0;
    uint64_t end = 0;  // behind its last byte
    std::string name;
};

// Functions of an ELF file's .symtab, and what else is named in its executable sections; 32 and 64 bits,
// little-endian, x86. The error says what is wrong, not with which file.
vmm::Result<std::vector<GuestSymbol>> read_elf_symbols(std::string_view file);
// Lines of address, type and name, as of nm and of Linux's System.map; those of type t and w count.
vmm::Result<std::vector<GuestSymbol>> read_symbol_list(std::string_view file);

class GuestSymbols {
  public:
    // Either of the two above, each address moved up by `base`. The error names the file.
    vmm::Result<void> add_file(const std::string& path, uint64_t base);
    void add(std::vector<GuestSymbol> symbols);

    // Of several around an address the one that begins last; nullptr if there is none.
    const std::string* find(uint64_t linear) const;
    bool empty() const { return symbols_.empty(); }

  private:
    // Of addresses that belong to one symbol, by address, without overlap.
    struct Range {
        uint64_t first;
        uint64_t end;
        size_t symbol;
    };
    void arrange();

    std::vector<GuestSymbol> symbols_;
    std::vector<Range> ranges_;
};

}  // namespace vtless::lab
