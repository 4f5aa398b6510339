// SPDX-License-Identifier: MIT
#include "traces/exit_text.h"

#include <fmt/format.h>

namespace vtless::traces {

namespace {

struct Fields {
    std::string text;
    bool mmio_register = true;
    bool vmcs = true;

    void operator()(const VmExit::Hypercall& exit) {
        add("nr", exit.nr);
        for (uint64_t argument : exit.args) add("arg", argument);
    }
    void operator()(const VmExit::MmioRead& exit) {
        add("addr", exit.addr.value());
        add("width", bytes(exit.width));
        if (!mmio_register) return;
        add("reg", exit.reg);
        add("reg_width", bytes(exit.reg_width));
        add("signed", exit.signed_ext);
    }
    void operator()(const VmExit::MmioWrite& exit) {
        add("addr", exit.addr.value());
        add("width", bytes(exit.width));
        add("data", exit.data);
    }
    void operator()(const VmExit::SysRegRead& exit) { add("addr", exit.addr); }
    void operator()(const VmExit::SysRegWrite& exit) {
        add("addr", exit.addr);
        add("value", exit.value);
    }
    void operator()(const VmExit::IoRead& exit) {
        add("port", exit.port);
        add("width", bytes(exit.width));
    }
    void operator()(const VmExit::IoWrite& exit) {
        add("port", exit.port);
        add("width", bytes(exit.width));
        add("data", exit.data);
    }
    void operator()(const VmExit::ExternalInterrupt& exit) { add("vector", exit.vector); }
    void operator()(const VmExit::NestedPageFault& exit) {
        add("addr", exit.addr.value());
        add("read", exit.access_flags.read);
        add("write", exit.access_flags.write);
        add("execute", exit.access_flags.execute);
    }
    void operator()(const VmExit::Halt&) {}
    void operator()(const VmExit::CpuUp& exit) {
        add("target", exit.target_cpu);
        add("entry", exit.entry_point.value());
        add("arg", exit.arg);
    }
    void operator()(const VmExit::CpuDown& exit) { add("state", exit.state); }
    void operator()(const VmExit::SystemDown&) {}
    void operator()(const VmExit::Nothing&) {}
    void operator()(const VmExit::FailEntry& exit) { add("reason", exit.hardware_entry_failure_reason); }
    void operator()(const VmExit::SendIPI& exit) {
        add("target", exit.target_cpu);
        add("aux", exit.target_cpu_aux);
        add("all", exit.send_to_all);
        add("self", exit.send_to_self);
        add("vector", exit.vector);
    }
    void operator()(const VmExit::PreemptionTimer&) {}
    void operator()(const VmExit::Unhandled& exit) {
        add("raw", exit.raw);
        if (vmcs) add("qualification", exit.qualification);
    }

  private:
    void add(const char* name, uint64_t value) {
        fmt::format_to(std::back_inserter(text), ",{}={:#x}", name, value);
    }
};

std::string text_of(const VmExit& exit, Fields fields) {
    exit.visit([&fields](const auto& payload) { fields(payload); });
    return std::move(fields.text);
}

}  // namespace

std::string exit_text(const VmExit& exit) { return text_of(exit, {name(exit.kind())}); }

std::string exit_text(const VmExit& exit, const Capabilities& can) {
    return text_of(exit, {name(exit.kind()), can.mmio_register, can.vmcs});
}

}  // namespace vtless::traces
