# SPDX-License-Identifier: MIT
"""The encodings that the cost tables are made for: all that LLVM decodes of what the engine runs.

A form is a place in the opcode maps and what the operands are, as sim/time/instruction_form.h reads it from the bytes.
"""
from dataclasses import dataclass

ONE, TWO, MAP38, MAP3A, VEX38, VEX3A, LEGACY = 0, 1, 2, 3, 4, 5, 6
MEMORY, REGISTER, SAME = 0, 1, 2
NONE, P66, PF3, PF2 = 0, 1, 2, 3
LEA_THREE = 1  # base, index and displacement

PREFIXES = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3} | set(range(0x40, 0x50))
LEGACY_ONLY = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x63, 0x82,
               0x9a, 0xc4, 0xc5, 0xce, 0xd4, 0xd5, 0xd6, 0xea} | set(range(0x40, 0x50))
ONE_MODRM = {op for op in range(0x40) if op & 7 < 4} | {0x62, 0x63, 0x69, 0x6b, 0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7} | \
    set(range(0x80, 0x90)) | set(range(0xd0, 0xd4)) | set(range(0xd8, 0xe0)) | {0xf6, 0xf7, 0xfe, 0xff}
ONE_GROUPS = {0x80, 0x81, 0x82, 0x83, 0x8c, 0x8e, 0x8f, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7,
              0xfe, 0xff} | set(range(0xd8, 0xe0))
TWO_NO_MODRM = {0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0e, 0x0f} | set(range(0x24, 0x28)) | \
    set(range(0x30, 0x40)) | {0x77} | set(range(0x80, 0x90)) | {0xa0, 0xa1, 0xa2, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa} | \
    set(range(0xc8, 0xd0))
TWO_GROUPS = {0x00, 0x01, 0x0d, 0x18, 0x71, 0x72, 0x73, 0xae, 0xba, 0xc7}
X87 = set(range(0xd8, 0xe0))


@dataclass(frozen=True)
class Form:
    map: int
    opcode: int
    prefix: int = NONE
    wide: bool = False  # REX.W or VEX.W
    extension: int = 0  # ModR/M's reg field of a group, reg and r/m where both say what it is, or LEA_THREE
    operand: int = MEMORY

    @property
    def key(self):
        return (self.map << 20 | self.opcode << 12 | self.prefix << 10 | self.wide << 9 | self.extension << 3 |
                self.operand)


@dataclass(frozen=True)
class Encoding:
    form: Form
    code: bytes
    bits: int  # of the mode that it is decoded in


def has_modrm(form):
    if form.map in (ONE, LEGACY):
        return form.opcode in ONE_MODRM
    return form.map != TWO or form.opcode not in TWO_NO_MODRM


def both_fields(form):
    return (form.map == ONE and form.opcode in X87) or (form.map == TWO and form.opcode == 0x01)


def is_group(form):
    if form.map in (ONE, LEGACY):
        return form.opcode in ONE_GROUPS
    return form.map == TWO and form.opcode in TWO_GROUPS or form.map == VEX38 and form.opcode == 0xf3


def code_before_modrm(form):
    code = b""
    if form.map in (VEX38, VEX3A):  # vvvv names register 1
        code = bytes([0xc4, 0xe0 | (2 if form.map == VEX38 else 3), form.wide << 7 | (15 - 1) << 3 | form.prefix])
        return code + bytes([form.opcode])
    code += {NONE: b"", P66: b"\x66", PF3: b"\xf3", PF2: b"\xf2"}[form.prefix]
    if form.wide:
        code += b"\x48"
    code += {ONE: b"", LEGACY: b"", TWO: b"\x0f", MAP38: b"\x0f\x38", MAP3A: b"\x0f\x3a"}[form.map]
    return code + bytes([form.opcode])


def with_operands(form):
    """The form with each kind of operands. Register operands are 3 (reg) and 7 (r/m); memory is (%rsi)."""
    bits = 32 if form.map == LEGACY else 64
    code = code_before_modrm(form)
    if not has_modrm(form):
        yield Encoding(form, code, bits)
        return

    def make(operand, extension, modrm, *rest):
        made = Form(form.map, form.opcode, form.prefix, form.wide, extension, operand)
        return Encoding(made, code + bytes([modrm, *rest]), bits)

    if form.map == ONE and form.opcode == 0x8d:
        yield make(MEMORY, 0, 0x1e)
        yield make(MEMORY, LEA_THREE, 0x5c, 0x3e, 0x08)  # 8(%rsi,%rdi)
        return
    if both_fields(form):
        for reg in range(8):
            yield make(MEMORY, reg << 3, reg << 3 | 6)
            for rm in range(8):
                yield make(REGISTER, reg << 3 | rm, 0xc0 | reg << 3 | rm)
        return
    for reg in range(8) if is_group(form) else [3]:
        extension = reg << 3 if is_group(form) else 0
        yield make(MEMORY, extension, reg << 3 | 6)
        yield make(REGISTER, extension, 0xc0 | reg << 3 | 7)
        if not is_group(form):
            yield make(SAME, extension, 0xdb)


def encodings():
    for opcode in range(256):
        if opcode not in PREFIXES and opcode not in LEGACY_ONLY | {0x0f}:
            for prefix, wide in ((NONE, False), (P66, False), (NONE, True)):
                yield from with_operands(Form(ONE, opcode, prefix, wide))
            if opcode == 0x90:
                yield from with_operands(Form(ONE, opcode, PF3))
        if opcode == 0x63:
            for prefix, wide in ((NONE, False), (P66, False), (NONE, True)):
                for each in with_operands(Form(ONE, opcode, prefix, wide)):
                    yield each
        if opcode in LEGACY_ONLY:
            for prefix in (NONE, P66):
                yield from with_operands(Form(LEGACY, opcode, prefix))
        for prefix in (NONE, P66, PF3, PF2):
            for wide in (False, True):
                for opcode_map in (TWO, MAP38, MAP3A):
                    if opcode_map != TWO or opcode not in (0x0f, 0x38, 0x3a):
                        yield from with_operands(Form(opcode_map, opcode, prefix, wide))
                if 0xf0 <= opcode:
                    yield from with_operands(Form(VEX38, opcode, prefix, wide))
                    yield from with_operands(Form(VEX3A, opcode, prefix, wide))
