// SPDX-License-Identifier: MIT
// write_support ROOT: writes docs/support.md.
#include <fstream>
#include <iostream>
#include <string>

#include "tests/docs/support_table.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: write_support ROOT\n";
        return 2;
    }
    const std::string root = argv[1];
    std::ofstream page(root + "/docs/support.md", std::ios::binary);
    page << vtless::docs::support_page(vtless::docs::support_rows(), vtless::docs::find_tests(root));
    page.close();
    return page ? 0 : 1;
}
