// SPDX-License-Identifier: MIT
#include "lab/guest_symbols.h"

#include <gtest/gtest.h>

#include "tests/lab/elf_image.h"
#include "tests/vmm/temporary_file.h"

namespace vtless::lab {
namespace {

using vmm::TemporaryFile;

std::string name_at(const GuestSymbols& symbols, uint64_t address) {
    const std::string* name = symbols.find(address);
    return name != nullptr ? *name : "-";
}

const std::vector<ElfSymbol> kSymbols = {
    {"first", 0x1000, 0x10},
    {"second", 0x1010, 0x10},
    {"label", 0x1100, 0, STT_NOTYPE},
    {"next", 0x1180, 0x10},
    {"last", 0x1f00, 0, STT_NOTYPE},
    {"data", 0x2000, 0x10, STT_OBJECT, 2},
    {"data_label", 0x2010, 0, STT_NOTYPE, 2},
    {"elsewhere", 0, 0, STT_FUNC, SHN_UNDEF},
};

template <bool Wide>
void expect_names() {
    const TemporaryFile file(ElfImage<Wide>(kSymbols).bytes());
    GuestSymbols symbols;
    const auto added = symbols.add_file(file.path(), 0x100000);
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_EQ(name_at(symbols, 0x100fff), "-");
    EXPECT_EQ(name_at(symbols, 0x101000), "first");
    EXPECT_EQ(name_at(symbols, 0x10100f), "first");
    EXPECT_EQ(name_at(symbols, 0x101010), "second");
    EXPECT_EQ(name_at(symbols, 0x101020), "-");
    EXPECT_EQ(name_at(symbols, 0x10117f), "label") << "up to the next one";
    EXPECT_EQ(name_at(symbols, 0x101180), "next");
    EXPECT_EQ(name_at(symbols, 0x101fff), "last") << "up to the section's end";
    EXPECT_EQ(name_at(symbols, 0x102000), "-");
    EXPECT_EQ(name_at(symbols, 0x102010), "-");
    EXPECT_EQ(name_at(symbols, 0), "-");
}

TEST(GuestSymbols, OfAnElfFileAreThoseOfCode) {
    expect_names<true>();
    expect_names<false>();
}

TEST(GuestSymbols, TheInnermostOfSeveralCounts) {
    GuestSymbols symbols;
    symbols.add({{0, 100, "outer"}, {10, 20, "inner"}, {10, 15, "innermost"}, {90, 110, "across"}});
    symbols.add({{10, 20, "alias"}});
    EXPECT_EQ(name_at(symbols, 9), "outer");
    EXPECT_EQ(name_at(symbols, 10), "innermost");
    EXPECT_EQ(name_at(symbols, 15), "alias") << "the first of two names";
    EXPECT_EQ(name_at(symbols, 20), "outer");
    EXPECT_EQ(name_at(symbols, 90), "across");
    EXPECT_EQ(name_at(symbols, 109), "across");
    EXPECT_EQ(name_at(symbols, 110), "-");
}

TEST(GuestSymbols, AListEndsEachAtTheNext) {
    const TemporaryFile file(
        "ffffffff81000000 T _stext\nffffffff81000100 t local\nffffffff81000200 D data\n"
        "ffffffff81000300 T unended\n");
    GuestSymbols symbols;
    const auto added = symbols.add_file(file.path(), 0);
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_EQ(name_at(symbols, 0xffffffff810000ff), "_stext");
    EXPECT_EQ(name_at(symbols, 0xffffffff81000100), "local");
    EXPECT_EQ(name_at(symbols, 0xffffffff81000200), "-");
    EXPECT_EQ(name_at(symbols, 0xffffffff81000300), "-");
}

std::string refusal(const std::string& bytes) {
    const TemporaryFile file(bytes);
    GuestSymbols symbols;
    const auto added = symbols.add_file(file.path(), 0);
    if (added) return "accepted";
    EXPECT_NE(added.error().message.find(file.path()), std::string::npos) << added.error().message;
    return added.error().message;
}
template <class Ruin>
std::string refusal_of(Ruin ruin) {
    ElfImage<true> image(kSymbols);
    ruin(image);
    return refusal(image.bytes());
}

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << text

TEST(GuestSymbols, AFileThatIsNotUsableIsRefusedWithTheReason) {
    EXPECT_SAYS(refusal("hello\n"), "line 1");
    EXPECT_SAYS(refusal("\x7f"
                        "ELF"),
                "not an ELF file");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_ident[EI_CLASS] = 7; }), "class 7");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_ident[EI_DATA] = ELFDATA2MSB; }), "little-endian");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_machine = EM_AARCH64; }), "not x86");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_type = ET_REL; }), "relocatable");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_shoff = 0x100000; }), "outside the file");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_shoff = ~uint64_t{0}; }), "outside the file");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_shentsize = 3; }), "3 bytes");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_shnum = 0xffff; }), "outside the file");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.header.e_shnum = 0, elf.header.e_shoff = 0; }), "stripped");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.sections[3].sh_type = SHT_PROGBITS; }), "stripped");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.sections[3].sh_entsize = 0; }), "0 bytes");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.sections[3].sh_size = ~uint64_t{0}; }), "outside the file");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.sections[3].sh_link = 99; }), "no names");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.sections[4].sh_offset = ~uint64_t{0}; }), "names lie outside");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.symbols[1].st_name = 0xffffff; }), "table of names");
    EXPECT_SAYS(refusal_of([](auto& elf) { elf.symbols[1].st_size = ~uint64_t{0}; }), "last address");
    EXPECT_SAYS(refusal(ElfImage<true>({{"data", 0x2000, 8, STT_OBJECT, 2}}).bytes()), "names no code");
}

// Wherever it ends, and whatever its section headers say.
TEST(GuestSymbols, ARuinedFileIsReadWithoutHarm) {
    const std::string whole = ElfImage<true>(kSymbols).bytes();
    for (size_t size = 1; size < whole.size(); ++size) EXPECT_NE(refusal(whole.substr(0, size)), "accepted");
    for (size_t at = EI_NIDENT; at < whole.size(); ++at) {
        std::string ruined = whole;
        ruined[at] = static_cast<char>(~ruined[at]);
        (void)read_elf_symbols(ruined);
    }
}

}  // namespace
}  // namespace vtless::lab
