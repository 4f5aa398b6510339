// SPDX-License-Identifier: MIT
#include "tests/sim/engine/instruction_soup.h"

#include <random>

namespace vtless::sim {
namespace {

class Kitchen {
  public:
    Kitchen(uint64_t seed, CodeSize mode) : random_(seed), long_(mode == CodeSize::Bits64) {}

    std::string serve(size_t size) {
        while (text_.size() < size) add_one();
        text_.resize(size);
        return text_;
    }

  private:
    unsigned upto(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
    void byte(unsigned value) { text_.push_back(static_cast<char>(value)); }
    void word(unsigned value) {
        byte(value & 0xff);
        byte(value >> 8 & 0xff);
    }
    void displacement(int value) {  // of a ModRM that addresses the code itself
        word(static_cast<unsigned>(value));
        if (long_) word(static_cast<unsigned>(value >> 16));
    }
    unsigned modrm(unsigned reg) const { return reg << 3 | (long_ ? 5u : 6u); }
    unsigned some_register() {
        unsigned reg = upto(8);
        return reg == 4 ? 0 : reg;  // not the stack pointer
    }

    // What `displacement` must be for the byte `distance` behind the instruction's end.
    int near_code(int tail) {
        const int distance = static_cast<int>(upto(96)) - 64;
        if (long_) return distance;
        const int here = static_cast<int>(text_.size()) + 2 + tail;
        return (here + distance) & 0xfff;
    }

    void arithmetic() {
        if (long_ && upto(2)) byte(0x48);
        byte(upto(8) << 3 | 1 | (upto(2) << 1));
        byte(0xc0 | some_register() << 3 | some_register());
    }
    void store() {  // mov, add, xor, xchg of 1, 2 (4) bytes into the code around
        static constexpr unsigned kOpcodes[] = {0x88, 0x89, 0x00, 0x01, 0x30, 0x31, 0x86, 0x87};
        byte(kOpcodes[upto(upto(3) ? 2 : 8)]);
        byte(modrm(some_register()));
        displacement(near_code(0));
    }
    void store_constant() {
        byte(0xc6);
        byte(modrm(0));
        displacement(near_code(1));
        byte(upto(3) ? 0x90 : upto(256));
    }
    void branch() {
        static constexpr unsigned kOpcodes[] = {0xeb, 0x72, 0x74, 0x75, 0x78, 0xe2, 0xe3, 0x7f};
        byte(kOpcodes[upto(8)]);
        byte(static_cast<unsigned>(static_cast<int>(upto(60)) - (upto(4) ? 4 : 40)) & 0xff);
    }
    void repeat() {
        static constexpr unsigned kOpcodes[] = {0xaa, 0xab, 0xa4, 0xa5, 0xac, 0xa6, 0xae, 0xaf};
        byte(0xb9);  // mov (e)cx, n
        word(upto(12));
        if (long_) word(0);
        if (long_) {
            byte(0x48), byte(0x8d), byte(0x3d), displacement(near_code(0));  // lea rdi, [rip + d]
            byte(0x48), byte(0x8d), byte(0x35), displacement(near_code(0));
        } else {
            byte(0xbf), displacement(near_code(0));
            byte(0xbe), displacement(near_code(0));
        }
        byte(upto(2) ? 0xfc : 0xfd);
        byte(upto(2) ? 0xf2 : 0xf3);
        byte(kOpcodes[upto(8)]);
    }
    void call() {
        byte(0xe8);
        displacement(static_cast<int>(upto(40)));
    }
    void small() {
        static constexpr unsigned kOpcodes[] = {0x50, 0x53, 0x58, 0x5b, 0x9c, 0x9d, 0xf5, 0xf8,
                                                0xf9, 0xfb, 0xfa, 0xc3, 0x90, 0x9e, 0x9f};
        byte(kOpcodes[upto(15)]);
    }
    void stop() {
        switch (upto(6)) {
            case 0:
                byte(0x0f), byte(0xa2);
                break;  // cpuid
            case 1:
                byte(0x0f), byte(0x31);
                break;  // rdtsc
            case 2:
                byte(0xe6), byte(0x80);
                break;  // out
            case 3:
                byte(0xe4), byte(0x80);
                break;  // in
            case 4:
                byte(0xf4);
                break;
            default:
                byte(0xcc);
                break;
        }
    }
    void set_register() {
        byte(0xb8 + some_register());
        displacement(static_cast<int>(upto(4096)));
    }

    void add_one() {
        const unsigned choice = upto(100);
        if (choice < 40) return arithmetic();
        if (choice < 52) return store();
        if (choice < 60) return store_constant();
        if (choice < 72) return branch();
        if (choice < 77) return repeat();
        if (choice < 80) return call();
        if (choice < 90) return small();
        if (choice < 96) return set_register();
        stop();
    }

    std::mt19937_64 random_;
    bool long_;
    std::string text_;
};

}  // namespace

std::string soup(uint64_t seed, CodeSize mode, size_t size) { return Kitchen(seed, mode).serve(size); }

}  // namespace vtless::sim
