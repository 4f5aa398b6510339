// SPDX-License-Identifier: MIT
// What of ELF the names of code need. Nothing that a file says is believed before it is checked against the
// file's size.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include "lab/guest_symbols.h"

namespace vtless::lab {

namespace {

struct Elf32 {
    using Header = Elf32_Ehdr;
    using Section = Elf32_Shdr;
    using Symbol = Elf32_Sym;
};
struct Elf64 {
    using Header = Elf64_Ehdr;
    using Section = Elf64_Shdr;
    using Symbol = Elf64_Sym;
};

template <class T>
std::optional<T> load(std::string_view file, uint64_t at) {
    T value;
    if (at > file.size() || file.size() - at < sizeof value) return std::nullopt;
    std::memcpy(&value, file.data() + at, sizeof value);
    return value;
}

// The same for the low half of st_info in both classes.
unsigned type_of(unsigned char info) { return ELF64_ST_TYPE(info); }

template <class Elf>
class Reader {
  public:
    explicit Reader(std::string_view file) : file_(file) {}

    vmm::Result<std::vector<GuestSymbol>> read() {
        if (auto done = read_header(); !done) return Unexpected(done.error());
        if (auto done = read_sections(); !done) return Unexpected(done.error());
        const auto table =
            std::ranges::find(sections_, SHT_SYMTAB, [](const Section& section) { return section.sh_type; });
        if (table == sections_.end()) return vmm::fail("ELF without a symbol table (.symtab): stripped");
        if (auto done = read_symbols(*table); !done) return Unexpected(done.error());
        end_unsized();
        if (symbols_.empty()) return vmm::fail("ELF whose symbol table names no code");
        return std::move(symbols_);
    }

  private:
    using Section = typename Elf::Section;
    using Symbol = typename Elf::Symbol;

    vmm::Result<void> read_header() {
        const auto header = load<typename Elf::Header>(file_, 0);
        if (!header) return vmm::fail("ELF that ends within its header");
        header_ = *header;
        if (header_.e_machine != EM_386 && header_.e_machine != EM_X86_64 && header_.e_machine != EM_IAMCU)
            return vmm::fail("ELF for machine {}, which is not x86", header_.e_machine);
        if (header_.e_type == ET_REL)
            return vmm::fail("relocatable ELF: its code has no addresses before it is linked");
        return {};
    }

    // Files with very many sections have their number in the first one.
    vmm::Result<void> read_sections() {
        uint64_t count = header_.e_shnum;
        if (count == 0 && header_.e_shoff != 0)
            if (const auto first = load<Section>(file_, header_.e_shoff)) count = first->sh_size;
        if (count == 0) return vmm::fail("ELF without sections: stripped");
        if (header_.e_shentsize != sizeof(Section))
            return vmm::fail("ELF whose section headers have {} bytes, expected {}", header_.e_shentsize,
                             sizeof(Section));
        if (!fits(header_.e_shoff, count, sizeof(Section)))
            return vmm::fail("ELF whose {} section headers at {:#x} lie outside the file", count,
                             header_.e_shoff);
        for (uint64_t i = 0; i < count; ++i)
            sections_.push_back(*load<Section>(file_, header_.e_shoff + i * sizeof(Section)));
        return {};
    }

    bool fits(uint64_t at, uint64_t count, uint64_t size) const {
        return at <= file_.size() && count <= (file_.size() - at) / size;
    }

    vmm::Result<void> read_symbols(const Section& table) {
        if (table.sh_entsize != sizeof(Symbol))
            return vmm::fail("ELF whose symbols have {} bytes, expected {}", table.sh_entsize,
                             sizeof(Symbol));
        const uint64_t count = table.sh_size / sizeof(Symbol);
        if (!fits(table.sh_offset, count, sizeof(Symbol)))
            return vmm::fail("ELF whose symbol table lies outside the file");
        if (table.sh_link >= sections_.size()) return vmm::fail("ELF whose symbol table has no names");
        const Section& strings = sections_[table.sh_link];
        if (strings.sh_type != SHT_STRTAB || !fits(strings.sh_offset, strings.sh_size, 1))
            return vmm::fail("ELF whose symbols' names lie outside the file");
        names_ = file_.substr(strings.sh_offset, strings.sh_size);
        for (uint64_t i = 0; i < count; ++i)
            if (auto done = add(*load<Symbol>(file_, table.sh_offset + i * sizeof(Symbol))); !done)
                return done;
        return {};
    }

    bool is_code(const Symbol& symbol) const {
        const unsigned type = type_of(symbol.st_info);
        if (type == STT_FUNC || type == STT_GNU_IFUNC) return symbol.st_shndx != SHN_UNDEF;
        if (type != STT_NOTYPE || symbol.st_shndx >= sections_.size()) return false;
        return (sections_[symbol.st_shndx].sh_flags & SHF_EXECINSTR) != 0;
    }

    vmm::Result<void> add(const Symbol& symbol) {
        if (!is_code(symbol)) return {};
        if (symbol.st_name >= names_.size())
            return vmm::fail("ELF with a symbol whose name lies outside the table of names");
        const std::string_view rest = names_.substr(symbol.st_name);
        const std::string_view name = rest.substr(0, rest.find('\0'));
        if (name.empty()) return {};
        const uint64_t first = symbol.st_value;
        if (symbol.st_size > ~uint64_t{0} - first)
            return vmm::fail("ELF whose symbol {} ends beyond the last address", name);
        if (symbol.st_size == 0) unsized_.push_back({symbols_.size(), section_end(symbol)});
        symbols_.push_back({first, first + symbol.st_size, std::string(name)});
        return {};
    }

    uint64_t section_end(const Symbol& symbol) const {
        if (symbol.st_shndx >= sections_.size()) return ~uint64_t{0};
        const Section& section = sections_[symbol.st_shndx];
        return uint64_t{section.sh_addr} + section.sh_size;
    }

    // Assembly often gives no size: then code goes on to the next symbol, or to the section's end.
    void end_unsized() {
        std::vector<uint64_t> starts;
        std::ranges::transform(symbols_, std::back_inserter(starts), &GuestSymbol::first);
        std::ranges::sort(starts);
        for (const Unsized& unsized : unsized_) {
            GuestSymbol& symbol = symbols_[unsized.symbol];
            const auto next = std::ranges::upper_bound(starts, symbol.first);
            symbol.end = next == starts.end() ? unsized.limit : std::min(*next, unsized.limit);
        }
    }

    struct Unsized {
        size_t symbol;
        uint64_t limit;
    };

    std::string_view file_;
    typename Elf::Header header_{};
    std::vector<Section> sections_;
    std::string_view names_;
    std::vector<GuestSymbol> symbols_;
    std::vector<Unsized> unsized_;
};

}  // namespace

vmm::Result<std::vector<GuestSymbol>> read_elf_symbols(std::string_view file) {
    if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
        return vmm::fail("not an ELF file");
    if (file[EI_DATA] != ELFDATA2LSB) return vmm::fail("ELF that is not little-endian");
    switch (file[EI_CLASS]) {
        case ELFCLASS32:
            return Reader<Elf32>(file).read();
        case ELFCLASS64:
            return Reader<Elf64>(file).read();
        default:
            return vmm::fail("ELF of class {}: neither 32 nor 64 bits",
                             unsigned{static_cast<unsigned char>(file[EI_CLASS])});
    }
}

}  // namespace vtless::lab
