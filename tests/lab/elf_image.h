// SPDX-License-Identifier: MIT
// A small ELF file, for tests that read or ruin one.
#pragma once

#include <elf.h>

#include <array>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace vtless::lab {

template <bool Wide>
struct ElfTypes {
    using Header = std::conditional_t<Wide, Elf64_Ehdr, Elf32_Ehdr>;
    using Section = std::conditional_t<Wide, Elf64_Shdr, Elf32_Shdr>;
    using Symbol = std::conditional_t<Wide, Elf64_Sym, Elf32_Sym>;
};

struct ElfSymbol {
    std::string name;
    uint64_t value;
    uint64_t size;
    unsigned char type = STT_FUNC;
    uint16_t section = 1;
};

// Its sections: none, .text of 0x1000 bytes at 0x1000, .data behind it, .symtab, .strtab.
template <bool Wide>
struct ElfImage {
    using Types = ElfTypes<Wide>;
    using Word = decltype(Types::Section::sh_size);

    explicit ElfImage(const std::vector<ElfSymbol>& list) {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = Wide ? ELFCLASS64 : ELFCLASS32;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_type = ET_EXEC;
        header.e_machine = Wide ? EM_X86_64 : EM_386;
        header.e_shoff = sizeof header;
        header.e_shentsize = sizeof(typename Types::Section);
        header.e_shnum = 5;
        names = std::string(1, '\0');
        symbols.emplace_back();
        for (const ElfSymbol& symbol : list) add(symbol);
        const size_t tables = sizeof header + sizeof sections;
        sections[1] = {};
        sections[1].sh_type = SHT_PROGBITS;
        sections[1].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
        sections[1].sh_addr = 0x1000;
        sections[1].sh_size = 0x1000;
        sections[2].sh_type = SHT_PROGBITS;
        sections[2].sh_flags = SHF_ALLOC;
        sections[2].sh_addr = 0x2000;
        sections[2].sh_size = 0x1000;
        sections[3].sh_type = SHT_SYMTAB;
        sections[3].sh_offset = tables;
        sections[3].sh_size = static_cast<Word>(symbols.size() * sizeof(typename Types::Symbol));
        sections[3].sh_entsize = sizeof(typename Types::Symbol);
        sections[3].sh_link = 4;
        sections[4].sh_type = SHT_STRTAB;
        sections[4].sh_offset = tables + sections[3].sh_size;
        sections[4].sh_size = static_cast<Word>(names.size());
    }

    std::string bytes() const {
        std::string all(reinterpret_cast<const char*>(&header), sizeof header);
        all.append(reinterpret_cast<const char*>(sections.data()), sizeof sections);
        all.append(reinterpret_cast<const char*>(symbols.data()),
                   symbols.size() * sizeof(typename Types::Symbol));
        return all + names;
    }

    typename Types::Header header{};
    std::array<typename Types::Section, 5> sections{};
    std::vector<typename Types::Symbol> symbols;
    std::string names;

  private:
    void add(const ElfSymbol& from) {
        typename Types::Symbol symbol{};
        symbol.st_name = static_cast<Elf64_Word>(names.size());
        symbol.st_value = static_cast<decltype(symbol.st_value)>(from.value);
        symbol.st_size = static_cast<decltype(symbol.st_size)>(from.size);
        symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, from.type);
        symbol.st_shndx = from.section;
        symbols.push_back(symbol);
        names += from.name + '\0';
    }
};

}  // namespace vtless::lab
