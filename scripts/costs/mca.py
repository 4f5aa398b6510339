# SPDX-License-Identifier: MIT
"""llvm-mc and llvm-mca of LLVM 19, many pieces of code at a time."""
import json
import re
import shutil
import subprocess
import sys

VERSION = "19.1.7"
# The features that a model's processors lack as well: the costs of the model are what matters.
FEATURES = "+bmi,+bmi2,+movbe,+adx,+lzcnt,+popcnt,+rdrnd,+rdseed,+fsgsbase,+aes,+pclmul,+sha,+prfchw,+clflushopt,+xsave,+xsaveopt"
# NOPs that tell one piece of code from the next.
FIRST_MARK = 0x10000000
# llvm-mc prints them on lines of their own; llvm-mca has no costs for them.
PREFIXES = {"lock", "rep", "repne", "data16", "cs", "ss", "ds", "es", "fs", "gs"}


def tool(name):
    path = shutil.which(name + "-19")
    if path is None:
        sys.exit(f"{name}-19 is not installed (on Debian: apt-get install llvm-19)")
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    if VERSION not in version:
        sys.exit(f"{path} is not of LLVM {VERSION}: the tables would be of two versions")
    return path


def disassemble(codes, bits):
    """The text of the first instruction of each code (bytes), or None: in AT&T syntax."""
    sizes = b"\x66\x67" if bits == 16 else b""
    marker = [sizes + b"\x0f\x1f\x84\x00" + (FIRST_MARK + n).to_bytes(4, "little") for n in range(len(codes) + 1)]
    lines = []
    for n, code in enumerate(codes):
        lines += [marker[n], code + b"\x90" * (15 - len(code))]
    lines.append(marker[-1])
    text = "\n".join(" ".join(f"0x{byte:02x}" for byte in line) for line in lines) + "\n"
    triple = {64: "x86_64", 32: "i386", 16: "i386-unknown-unknown-code16"}[bits]
    done = subprocess.run([tool("llvm-mc"), f"-triple={triple}", "--disassemble", "-mattr=" + FEATURES],
                          input=text, capture_output=True, text=True)
    bad = {(int(line) - 2) // 2 for line in re.findall(r"<stdin>:(\d+):1: warning", done.stderr)}
    result, at, fresh = [None] * len(codes), -1, False
    for line in done.stdout.splitlines():
        line = line.strip()
        found = re.fullmatch(r"nopl\t(\d+)\(%[er]ax,%[er]ax\)", line)
        if found and int(found[1]) >= FIRST_MARK:
            at, fresh = int(found[1]) - FIRST_MARK, True
        elif fresh and line and not line.startswith(".") and line not in PREFIXES:
            fresh = False
            if at not in bad:
                result[at] = line
    return result


def analyse(texts, model, bits=64, tables=False, iterations=100):
    """What llvm-mca says of each text (instructions, one a line); None where it refuses one."""
    source = []
    for n, text in enumerate(texts):
        if text is not None:
            source.append(f"# LLVM-MCA-BEGIN {n}\n{text}\n# LLVM-MCA-END\n")
    if not source:
        return [], [None] * len(texts)
    arguments = [tool("llvm-mca"), f"-mtriple={'x86_64' if bits == 64 else 'i386'}", f"-mcpu={model}",
                 "-mattr=" + FEATURES, "--json", "--skip-unsupported-instructions=any",
                 f"-iterations={iterations}"]
    if tables:
        arguments.append("--instruction-tables")
    done = subprocess.run(arguments, input="".join(source), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"llvm-mca -mcpu={model} failed:\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout)
    result = [None] * len(texts)
    for region in answer["CodeRegions"]:
        n = int(region["Name"])
        if len(region["Instructions"]) == len(texts[n].splitlines()):
            result[n] = region
    return answer["TargetInfo"]["Resources"], result


def cycles(region):
    summary = region["SummaryView"]
    return summary["TotalCycles"] / summary["Iterations"]
