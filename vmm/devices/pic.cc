// SPDX-License-Identifier: MIT
#include "vmm/devices/pic.h"

namespace vtless::vmm {

namespace {

constexpr uint8_t bit_of(unsigned input) { return static_cast<uint8_t>(1u << input); }
constexpr uint8_t without(uint8_t bits, uint8_t cleared) { return static_cast<uint8_t>(bits & ~cleared); }

}  // namespace

void Pic8259::set_input(unsigned input, bool level) {
    const uint8_t bit = bit_of(input);
    const bool was = (lines_ & bit) != 0;
    lines_ = level ? lines_ | bit : without(lines_, bit);
    // An input must stay high until it is acknowledged, in both trigger modes ("Edge and Level Triggered
    // Modes"): one that falls before takes its request with it.
    if (!level) request_ = without(request_, bit);
    if (level && (!was || (level_triggered() & bit) != 0)) request_ |= bit;
}

unsigned Pic8259::highest_in_service() const {
    unsigned best = 8;
    for (unsigned input = 0; input < 8; ++input) {
        if ((service_ & bit_of(input)) != 0 && rank(input) < best) best = rank(input);
    }
    return best;
}

Pic8259::Request Pic8259::highest_request() const {
    const uint8_t candidates = without(request_, mask_);
    const unsigned serving = highest_in_service();
    Request best;
    for (unsigned input = 0; input < 8; ++input) {
        if ((candidates & bit_of(input)) == 0) continue;
        const bool in_service = (service_ & bit_of(input)) != 0;
        // Special mask mode lets everything through that is not in service itself; special fully nested mode
        // lets the slave interrupt its own service.
        bool allowed = special_mask_ ? !in_service : rank(input) < serving;
        allowed |= special_nested_ && (cascade_ & bit_of(input)) != 0 && rank(input) == serving;
        if (allowed && (!best.has || rank(input) < rank(best.input))) best = {true, input};
    }
    return best;
}

unsigned Pic8259::next_input() const { return highest_request().input; }

void Pic8259::start_service(unsigned input) {
    const uint8_t bit = bit_of(input);
    if ((level_triggered() & bit) == 0 || (lines_ & bit) == 0) request_ = without(request_, bit);
    if (!auto_eoi_) {
        service_ |= bit;
    } else if (rotate_on_auto_eoi_) {
        lowest_ = input;
    }
}

uint8_t Pic8259::acknowledge() {
    const Request request = highest_request();
    if (request.has) start_service(request.input);
    return static_cast<uint8_t>(base_ + request.input);
}

void Pic8259::end_of_interrupt(unsigned input, bool rotate) {
    service_ = without(service_, bit_of(input));
    if (rotate) lowest_ = input;
}

uint8_t Pic8259::read(bool data_register) {
    if (poll_) {
        poll_ = false;
        const Request request = highest_request();
        if (!request.has) return 0;
        start_service(request.input);
        return static_cast<uint8_t>(0x80 | request.input);
    }
    if (data_register) return mask_;
    return read_service_ ? service_ : request_;
}

void Pic8259::write(bool data_register, uint8_t value) {
    if (data_register) {
        write_data(value);
    } else if ((value & 0x10) != 0) {
        write_icw1(value);
    } else if ((value & 0x08) != 0) {
        write_ocw3(value);
    } else {
        write_ocw2(value);
    }
}

void Pic8259::write_icw1(uint8_t value) {
    wants_icw4_ = (value & 0x01) != 0;
    single_ = (value & 0x02) != 0;
    level_mode_ = (value & 0x08) != 0;
    // "Initialization Command Words": the edge circuit, IMR, priorities, special mask and status read are
    // reset; without ICW4 all its functions are.
    request_ = static_cast<uint8_t>(lines_ & level_triggered());
    service_ = 0;
    mask_ = 0;
    lowest_ = 7;
    special_mask_ = read_service_ = poll_ = false;
    auto_eoi_ = rotate_on_auto_eoi_ = special_nested_ = false;
    step_ = Initialize::Icw2;
}

void Pic8259::write_data(uint8_t value) {
    const Initialize after_icw3 = wants_icw4_ ? Initialize::Icw4 : Initialize::Done;
    switch (step_) {
        case Initialize::Icw2:
            base_ = value & 0xf8;
            step_ = single_ ? after_icw3 : Initialize::Icw3;
            break;
        case Initialize::Icw3:  // the wiring of the cascade is fixed on a PC
            step_ = after_icw3;
            break;
        case Initialize::Icw4:
            auto_eoi_ = (value & 0x02) != 0;
            special_nested_ = (value & 0x10) != 0;
            step_ = Initialize::Done;
            break;
        case Initialize::Done:
            mask_ = value;
            break;
    }
}

void Pic8259::write_ocw2(uint8_t value) {
    const unsigned level = value & 7;
    const unsigned top = highest_in_service();
    const unsigned serving = (top + lowest_ + 1) & 7;  // meaningful when top < 8
    switch (value >> 5) {
        case 0:
            rotate_on_auto_eoi_ = false;
            break;
        case 1:
            if (top < 8) end_of_interrupt(serving, false);
            break;
        case 3:
            end_of_interrupt(level, false);
            break;
        case 4:
            rotate_on_auto_eoi_ = true;
            break;
        case 5:
            if (top < 8) end_of_interrupt(serving, true);
            break;
        case 6:
            lowest_ = level;
            break;
        case 7:
            end_of_interrupt(level, true);
            break;
        default:  // 2: no operation
            break;
    }
}

void Pic8259::write_ocw3(uint8_t value) {
    if ((value & 0x40) != 0) special_mask_ = (value & 0x20) != 0;
    if ((value & 0x04) != 0) {
        poll_ = true;
    } else if ((value & 0x02) != 0) {
        read_service_ = (value & 0x01) != 0;
    }
}

PicPair::PicPair() { master_.set_cascade_input(2); }

void PicPair::attach(PortBus& bus) {
    bus.attach({0x20, 2}, *this);
    bus.attach({0xa0, 2}, *this);
    bus.attach({0x4d0, 2}, *this);
}

void PicPair::set_line(unsigned line, bool level) {
    if (line < 8) {
        master_.set_input(line, level);
    } else {
        slave_.set_input(line & 7, level);
        cascade();
    }
}

uint8_t PicPair::acknowledge() {
    const bool from_slave = master_.output() && master_.next_input() == 2;
    const uint8_t vector = master_.acknowledge();
    if (!from_slave) return vector;
    const uint8_t slave_vector = slave_.acknowledge();
    // The cascade line falls and rises between two requests of the slave, so that the master sees an edge.
    master_.set_input(2, false);
    cascade();
    return slave_vector;
}

uint32_t PicPair::read_port(uint16_t port, AccessWidth) {
    if (port == 0x4d0) return master_.edge_level();
    if (port == 0x4d1) return slave_.edge_level();
    const uint8_t value = (port < 0xa0 ? master_ : slave_).read((port & 1) != 0);
    cascade();  // a poll takes a request
    return value;
}

void PicPair::write_port(uint16_t port, AccessWidth, uint32_t value) {
    const auto byte = static_cast<uint8_t>(value);
    if (port == 0x4d0) {
        master_.set_edge_level(byte & 0xf8);  // lines 0, 1 and 2 are edge triggered on a PC
    } else if (port == 0x4d1) {
        slave_.set_edge_level(byte & 0xde);  // so are 8 and 13
    } else {
        (port < 0xa0 ? master_ : slave_).write((port & 1) != 0, byte);
        cascade();
    }
}

}  // namespace vtless::vmm
