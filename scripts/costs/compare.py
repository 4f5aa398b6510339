#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the costs of straight-line code with llvm-mca's, block by block, and prints how the errors are distributed.

usage: scripts/costs/compare.py [--model NAME] [--sample N FILE] BLOCK_COSTS BLOCKS...

BLOCK_COSTS is build/release/bin/vtless_block_costs, which also makes the BLOCKS (its `guests`, `bios FILE` and
`kernel FILE`). --sample writes up to N blocks of each file with llvm-mca's answers: the reference of a test.
Blocks with an instruction that has no cost are left out, and counted. llvm-mca's answer is of 100 iterations.
"""
import argparse
import random
import re
import subprocess
import sys

import mca

TICKS = 16


def texts_of(blocks):
    """Each block as assembly, or None where LLVM does not take an instruction."""
    by_mode = {}
    for block in blocks:
        bits, *codes = block.split()
        by_mode.setdefault(int(bits), set()).update(codes)
    known = {}
    for bits, codes in by_mode.items():
        codes = sorted(codes)
        for code, text in zip(codes, mca.disassemble([bytes.fromhex(code) for code in codes], bits)):
            known[bits, code] = text and without_repeat(text.split("#")[0].strip())
    result = []
    for block in blocks:
        bits, *codes = block.split()
        texts = [known[int(bits), code] for code in codes]
        result.append(None if None in texts else "\n".join(texts))
    return result


def without_repeat(text):
    """An iteration of a string instruction is paid as the instruction without REP."""
    return re.sub(r"^(rep|repne|repe|lock)\s+", "", text)


def answers(blocks, texts, model):
    result = [None] * len(blocks)
    for long_mode in (True, False):
        here = [n for n, block in enumerate(blocks) if block.startswith("64") == long_mode and texts[n]]
        # Blocks of 16-bit code go as 32-bit code: their text names the operands' sizes.
        _, regions = mca.analyse([texts[n] for n in here], model, 64 if long_mode else 32)
        for n, region in zip(here, regions):
            if region is not None:
                result[n] = mca.cycles(region)
    return result


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_distribution(title, errors, weights):
    for name, weighted in (("each block", [1] * len(errors)), ("by instructions", weights)):
        ordered = sorted(error for error, weight in zip(errors, weighted) for _ in range(weight))
        print(f"{title:24} {name:16} {len(errors):6} blocks   " + "  ".join(
            f"{label} {quantile(ordered, share):6.1%}" for label, share in
            (("q1", .25), ("median", .5), ("q3", .75), ("p90", .9), ("most", 1))))


def compare(title, blocks, arguments):
    texts = texts_of(blocks)
    reference = answers(blocks, texts, arguments.model)
    made, renamed = (subprocess.run([arguments.block_costs, how, arguments.model], input="\n".join(blocks) + "\n",
                                    capture_output=True, text=True, check=True).stdout.splitlines()
                     for how in ("cost", "renamed"))
    rows, fallbacks, refused = [], [0, 0, 0], 0
    for block, text, expected, line, other in zip(blocks, texts, reference, made, renamed):
        ticks, throughput, dependency, unmodelled, unknown = map(int, line.split())
        fallbacks = [a + b for a, b in zip(fallbacks, (len(block.split()) - 1, unmodelled, unknown))]
        if unmodelled or unknown:
            continue
        if expected is None:
            refused += 1
            continue
        rows.append((ticks / TICKS / expected - 1, ticks / TICKS, expected, throughput / TICKS, dependency / TICKS,
                     block, text, int(other.split()[0]) / TICKS))
    print(f"{title}: {len(blocks)} blocks of {fallbacks[0]} instructions; no cost: {fallbacks[1]} that LLVM does not "
          f"model, {fallbacks[2]} unknown; {refused} blocks that llvm-mca does not take")
    print_distribution(title, [abs(row[0]) for row in rows], [len(row[5].split()) - 1 for row in rows])
    for which, choose in (("ports and width alone", lambda row: row[3]),
                          ("dependencies alone", lambda row: row[4]),
                          ("RSP renamed", lambda row: row[7])):
        print_distribution("  " + which, [abs(choose(row) / row[2] - 1) for row in rows],
                           [len(row[5].split()) - 1 for row in rows])
    low = sum(row[0] < -0.02 for row in rows)
    print(f"  too low {low}, too high {sum(row[0] > 0.02 for row in rows)} by more than 2 %; "
          f"sum {sum(row[1] for row in rows) / sum(row[2] for row in rows) - 1:+.1%}")
    for error, ours, expected, throughput, dependency, _, text, _ in sorted(rows, key=lambda r: -abs(r[0]))[:arguments.worst]:
        print(f"  {error:+.0%}: {ours:.2f} (ports {throughput:.2f}, dependencies {dependency:.2f}), llvm-mca {expected:.2f}")
        print("".join(f"      {each}\n" for each in text.splitlines()[:24]), end="")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="haswell")
    parser.add_argument("--worst", type=int, default=10)
    parser.add_argument("--sample", nargs=2, metavar=("N", "FILE"))
    parser.add_argument("block_costs")
    parser.add_argument("blocks", nargs="+")
    arguments = parser.parse_args()
    sample = []
    for path in arguments.blocks:
        with open(path) as file:
            blocks = sorted(set(file.read().splitlines()))
        rows = compare(path.rsplit("/", 1)[-1], blocks, arguments)
        if arguments.sample:
            count = min(int(arguments.sample[0]), len(rows))
            sample += random.Random(1).sample(rows, count)
    if arguments.sample:
        with open(arguments.sample[1], "w") as file:
            file.write(f"# Made by scripts/costs/compare.py: llvm-mca {mca.VERSION} -mcpu={arguments.model}, sixteenths of "
                       "a cycle an iteration of 100, bits, instructions\n")
            for row in sample:
                file.write(f"{round(row[2] * TICKS)} {row[5]}\n")


if __name__ == "__main__":
    sys.exit(main())
