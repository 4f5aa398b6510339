// SPDX-License-Identifier: MIT
// Which tests show that something which this processor advertises works. It is for people to choose them: a
// test that sees the control, exit or field do what the SDM says, and where it matters, not do so without.
#pragma once

#include <span>

namespace vtless::docs {

enum class ItemKind : unsigned char { Feature, Exit, Field };

// item: of a feature "primary: HLT exiting", the word's short name and the feature's; of an exit or a field
// the SDM's name. A `*` stands for any characters; a row that names an item goes before one that has a `*`,
// and among those the first. tests: "Suite.Name", and more of them after blanks.
struct ShownBy {
    ItemKind kind;
    const char* item;
    const char* tests;
};

std::span<const ShownBy> shown_by();

}  // namespace vtless::docs
