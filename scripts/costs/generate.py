#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the instruction cost tables, sim/time/tables/, from the scheduling models of LLVM 19 by llvm-mca.

usage: scripts/costs/generate.py [DIRECTORY]

The numbers are LLVM's (Apache-2.0 with LLVM exceptions); nothing else of it is in the tables.
"""
import pathlib
import re
import sys

import forms
import mca
import operands
import ports

MODELS = {"sandybridge": "sandy_bridge", "haswell": "haswell", "broadwell": "broadwell", "skylake": "skylake",
          "skylake-avx512": "skylake_server"}
PLACEHOLDER = 100  # LLVM's latency of what it does not model
NO_COST, UNMODELLED = 0, 1
TICKS = 16


class Measured:
    """A form, its operands, and its costs by model: (micro-ops, latency, late latency, ((port set, cycles)...))."""

    def __init__(self, encoding, text):
        self.form, self.bits, self.text = encoding.form, encoding.bits, text
        self.operands = operands.of(encoding.form, text)
        self.costs = {}

    def row(self):
        return self.operands.row(), tuple(sorted(self.costs.items()))


def assembler_text(text):
    """What LLVM disassembles, but does not take back."""
    text = text.split("#")[0].strip()
    text = re.sub(r"^mov([sz])ww", "movw", re.sub(r"^movslq\t(.*, %[er]?bx)$", r"movslq\t\1", text))
    if text.startswith("movslq") and not text.endswith("%rbx"):
        text = re.sub(r"%(edi|ebx), %bx", lambda m: f"%{m[1][1:]}, %bx", text.replace("movslq", "mov"))
    return text


def known_forms():
    encodings = list(forms.encodings())
    result = []
    for bits in (64, 32):
        here = [each for each in encodings if each.bits == bits]
        for encoding, text in zip(here, mca.disassemble([each.code for each in here], bits)):
            if text is not None and not wide_registers(text):
                result.append(Measured(encoding, assembler_text(text)))
    return result


def wide_registers(text):
    return re.search(r"%([yz]mm|k[0-7]|r(1[6-9]|2\d|3[01]))\b", text) is not None


def same_operands_make_sense(form, by_key):
    """Whether reg and r/m are of one kind: then equal numbers are one register."""
    other = by_key.get(forms.Form(form.map, form.opcode, form.prefix, form.wide, form.extension, forms.REGISTER).key)
    return other is not None and other.operands.reg & 56 == other.operands.rm & 56 != 0


def measure(measured, model):
    resources, widths, groups, raw = None, set(), [], []
    for bits in (64, 32):
        here = [each for each in measured if each.bits == bits]
        texts = [each.text for each in here]
        resources, tables = mca.analyse(texts, model, bits, tables=True)
        _, runs = mca.analyse(texts, model, bits)
        raw += [(each, table, run) for each, table, run in zip(here, tables, runs) if table and run]
        widths |= {run["SummaryView"]["DispatchWidth"] for run in runs if run}
    pressures = [ports.pressure_of(table) for _, table, _ in raw]
    groups = ports.groups_of(pressures)
    loads = {each.text: info(table)["Latency"] for each, table, _ in raw}
    load = loads["movq\t(%rsi), %rbx"]
    done, unsplit = {}, 0
    for (each, table, run), pressure in zip(raw, pressures):
        key = tuple(sorted(pressure.items()))
        if key not in done:
            done[key] = ports.split(pressure, groups)
            unsplit += done[key] is None
        uses = done[key]
        if uses is None:  # by port, in whole cycles upwards
            uses = [(frozenset([port]), -(-usage.numerator // usage.denominator)) for port, usage in key]
        each.costs[model] = cost(each, table, run, load, uses)
    if unsplit:
        print(f"{model}: {unsplit} pressures are by port, not by group")
    return resources, widths.pop(), groups


def info(table):
    return table["InstructionInfoView"]["InstructionList"][0]


def cost(each, table, run, load, uses):
    facts = info(table)
    if facts["Latency"] == PLACEHOLDER:
        return None
    latency, slope = facts["Latency"], mca.cycles(run)
    late = latency
    if each.form.operand == forms.MEMORY and facts["mayLoad"]:
        chained = any(use & 3 == 3 for use in (each.operands.reg, each.operands.low))
        late = min(latency, round(slope)) if chained else max(latency - load, 1)
    return facts["NumMicroOpcodes"], latency, late, tuple(uses), slope


def mark_breaking(measured, model):
    """Forms of one register with itself that do not wait for it: XOR and the like."""
    for each in measured:
        found = each.costs.get(model)
        if each.form.operand == forms.SAME and found:
            uops, latency, _, _, slope = found
            reads = (each.operands.reg | each.operands.rm) & 3 == 3
            if reads and slope < max(latency, 1) * 0.8 and not each.operands.other & operands.FLAGS_READ:
                each.operands.other |= operands.BREAKS


def lookup(key, table):
    """As InstructionForms::find() does it: what is not there is as its simpler form."""
    while key not in table:
        if key & 3 == forms.SAME:
            key = key & ~3 | forms.REGISTER
        elif key >> 9 & 1:
            key &= ~(1 << 9)
        elif key >> 10 & 3:
            key &= ~(3 << 10)
        else:
            return None
    return table[key]


def needed(measured):
    """Without what lookup() finds another way, and what no model knows."""
    by_key = {each.form.key: each for each in measured}
    kept = {}
    for each in sorted(measured, key=lambda e: (e.form.prefix, e.form.wide, e.form.operand, e.form.key)):
        if not any(each.costs.values()) and each.costs.keys() <= {None}:
            continue
        if each.form.operand == forms.SAME and not same_operands_make_sense(each.form, by_key):
            continue
        simpler = lookup(each.form.key, kept)
        if simpler is None or simpler.row() != each.row():
            kept[each.form.key] = each
    return [kept[key] for key in sorted(kept)]


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) > 108:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])


HEAD = """// SPDX-License-Identifier: MIT
// clang-format off
// Generated by scripts/costs/generate.py: do not edit.
// {what}
#include "sim/time/cost_table_data.h"

namespace vtless::sim {{
namespace {{
"""
TAIL = "}  // namespace vtless::sim\n"


def write_forms(path, measured):
    rows = sorted({each.operands.row() for each in measured})
    index = {row: n for n, row in enumerate(rows)}
    assert len(rows) < 256
    text = HEAD.format(what="Forms of instructions and what they read and write; sim/time/cost_table_data.h has the format.")
    text += "constexpr FormOperands kOperands[] = {\n"
    text += wrapped("{" + ", ".join(map(str, row)) + "}" for row in rows) + "\n};\n"
    text += "constexpr FormRow kForms[] = {\n"
    text += wrapped(f"{{0x{each.form.key:x}, {index[each.operands.row()]}}}" for each in measured) + "\n};\n"
    text += "}  // namespace\n\nconst FormData kInstructionForms{kForms, kOperands};\n\n" + TAIL
    path.write_text(text)


def write_model(path, model, name, measured, machine):
    resources, width, groups = machine
    unions = ports.unions_of(groups)
    number = {group: n for n, group in enumerate(groups)}
    costs, uses, rows, class_of = {None: UNMODELLED}, [], [(0, 0, 0, 0, 0), (0, 0, 0, 0, 0)], []
    for each in measured:
        if model not in each.costs:
            class_of.append(NO_COST)
            continue
        found = each.costs[model]
        found = found and found[:4]
        if found not in costs:
            costs[found] = len(rows)
            uops, latency, late, pressure = found
            rows.append((uops, latency, late, len(uses), len(pressure)))
            uses += [(number[group], cycles) for group, cycles in pressure]
        class_of.append(costs[found])
    camel = "".join(part.capitalize() for part in name.split("_"))
    mask = lambda group: hex(sum(1 << port for port in group))
    clean = [resource.translate({0: None, 1: None}) for resource in resources]
    text = HEAD.format(what=f"Numbers of LLVM {mca.VERSION}'s scheduling model \"{model}\", as llvm-mca gives them "
                            f"(Apache-2.0 with LLVM exceptions).\n// Ports: {', '.join(clean)}.")
    text += f"constexpr uint16_t kGroups[] = {{\n{wrapped(map(mask, groups))}\n}};\n"
    text += f"constexpr uint16_t kBottlenecks[] = {{\n{wrapped(map(mask, unions))}\n}};\n"
    text += "constexpr PortUse kUses[] = {\n" + wrapped(f"{{{g}, {c}}}" for g, c in uses) + "\n};\n"
    text += "constexpr CostClass kClasses[] = {\n" + wrapped(
        "{" + ", ".join(map(str, row)) + "}" for row in rows) + "\n};\n"
    text += "constexpr uint16_t kClassOf[] = {\n" + wrapped(map(str, class_of)) + "\n};\n"
    text += "}  // namespace\n\n"
    text += f"const ModelData k{camel}Costs{{{width}, kGroups, kBottlenecks, kUses, kClasses, kClassOf}};\n\n" + TAIL
    path.write_text(text)
    print(f"{model}: {len(rows)} classes, {len(groups)} groups, {len(unions)} bottlenecks")


def main():
    here = pathlib.Path(__file__).resolve().parent
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent.parent / "sim/time/tables"
    measured = known_forms()
    machines = {model: measure(measured, model) for model in MODELS}
    mark_breaking(measured, "haswell")
    for each in measured:
        each.costs = {model: found and found[:4] for model, found in each.costs.items()}
    kept = needed(measured)
    print(f"{len(measured)} forms that LLVM decodes, {len(kept)} kept")
    folder.mkdir(parents=True, exist_ok=True)
    write_forms(folder / "forms.cc", kept)
    for model, name in MODELS.items():
        write_model(folder / f"{name}.cc", model, name, kept, machines[model])


if __name__ == "__main__":
    main()
