# SPDX-License-Identifier: MIT
"""What a form reads and writes: SDM Vol. 2, as far as dependencies between instructions need it.

The ModR/M operands, VEX.vvvv and the register in an opcode are read or written (or both); the rest is implied. Writes of
8 and 16 bits merge with what the register held. x87 registers and the direction flag are not followed.
"""
import re
from dataclasses import dataclass

from forms import LEA_THREE, LEGACY, MAP38, MAP3A, ONE, TWO, VEX38, VEX3A, X87, NONE, P66, SAME, MEMORY

READ, WRITE, MERGE = 1, 2, 4
BOTH = READ | WRITE
NO_CLASS, GPR, BYTE, XMM, MMX = 0, 8, 16, 24, 32
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = (1 << n for n in range(8))
FLAGS_READ, FLAGS_WRITTEN, BREAKS, STACK, MERGES = 1, 2, 4, 8, 16


@dataclass
class Operands:
    reads: int = 0  # implied general registers
    writes: int = 0
    reg: int = 0
    rm: int = 0
    vvvv: int = 0
    low: int = 0  # the register in the opcode
    other: int = 0

    def row(self):
        return (self.reads, self.writes, self.reg, self.rm, self.vvvv, self.low, self.other)


BYTES = {"al", "cl", "dl", "bl", "ah", "ch", "dh", "bh", "dil", "sil", "bpl", "spl"}
WORDS = {"ax", "cx", "dx", "bx", "di", "si", "bp", "sp"}


def register_class(name):
    if name.startswith("xmm"):
        return XMM
    if name.startswith("mm"):
        return MMX
    if name in BYTES:
        return BYTE
    if name in WORDS or re.fullmatch(r"[re](ax|cx|dx|bx|sp|bp|si|di)", name):
        return GPR
    return NO_CLASS


def classes(text):
    """Of reg (register 3) and of r/m (register 7, or 3 as well)."""
    names = re.findall(r"%(\w+)", text.split("#")[0])
    three = [n for n in names if n in ("bl", "bx", "ebx", "rbx", "xmm3", "mm3")]
    seven = [n for n in names if n in ("bh", "dil", "di", "edi", "rdi", "xmm7", "mm7") and "(" not in n]
    memory = "(" in text
    reg = register_class(three[0]) if three else NO_CLASS
    rm = NO_CLASS if memory else register_class(seven[0] if seven else three[-1] if three else "")
    return reg, rm


def fields(form, text, operands, reg=0, rm=0):
    reg_class, rm_class = classes(text)
    if form.operand == SAME and rm_class == NO_CLASS:
        rm_class = reg_class
    short = form.prefix == P66 and not {reg_class, rm_class} & {XMM, MMX}  # else it is part of the opcode
    for name, use, kind in (("reg", reg, reg_class), ("rm", rm, rm_class)):
        if use and kind != NO_CLASS:
            merge = use & WRITE and (kind == BYTE or kind == GPR and short and form.map in (ONE, TWO, LEGACY))
            setattr(operands, name, use | kind | (MERGE if merge else 0))
    return operands


def low(form, operands, use, byte=False):
    merge = use & WRITE and (byte or form.prefix == P66)
    operands.low = use | (BYTE if byte else GPR) | (MERGE if merge else 0)
    return operands


def implied(form, reads=0, writes=0, flags=0, byte=False):
    merges = MERGES if writes and (byte or form.prefix == P66) else 0
    return Operands(reads, writes, other=flags | merges)


def stack(form, reads=0, writes=0, flags=0):
    return Operands(reads | RSP, writes | RSP, other=flags | STACK)


ALU_FLAGS = {2: FLAGS_READ | FLAGS_WRITTEN, 3: FLAGS_READ | FLAGS_WRITTEN}


def arithmetic(form, text, operation, low3):
    made = implied(form, flags=ALU_FLAGS.get(operation, FLAGS_WRITTEN))
    target = READ if operation == 7 else BOTH
    if low3 < 2:
        return fields(form, text, made, reg=READ, rm=target)
    if low3 < 4:
        return fields(form, text, made, reg=target, rm=READ)
    return implied(form, RAX, 0 if operation == 7 else RAX, made.other, low3 == 4)


STRINGS = {0x6c: (RDX | RDI, RDI, 0), 0x6e: (RDX | RSI, RSI, 0), 0xa4: (RSI | RDI, RSI | RDI, 0),
           0xa6: (RSI | RDI, RSI | RDI, FLAGS_WRITTEN), 0xaa: (RAX | RDI, RDI, 0), 0xac: (RSI, RSI | RAX, 0),
           0xae: (RAX | RDI, RDI, FLAGS_WRITTEN)}


def one_byte(form, text):
    op, reg_field, byte = form.opcode, form.extension >> 3, not form.opcode & 1
    made = implied(form)
    if op < 0x40 and op & 7 < 6:
        return arithmetic(form, text, op >> 3, op & 7)
    if 0x50 <= op < 0x58:
        return low(form, stack(form), READ)
    if 0x58 <= op < 0x60:
        return low(form, stack(form), WRITE)
    if op == 0x63:
        return fields(form, text, made, reg=WRITE, rm=READ)
    if op in (0x68, 0x6a, 0xe8):
        return stack(form)
    if op in (0xc2, 0xc3, 0xca, 0xcb):  # LLVM's models do not let RSP wait for it, nor does a stack engine
        return Operands(RSP)
    if op in (0x69, 0x6b):
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=WRITE, rm=READ)
    if op & 0xfe in STRINGS:
        reads, writes, flags = STRINGS[op & 0xfe]
        return Operands(reads, writes, other=flags)
    if 0x70 <= op < 0x80:
        return implied(form, flags=FLAGS_READ)
    if 0x80 <= op < 0x84:
        return arithmetic(form, text, reg_field, 0)
    if op in (0x84, 0x85):
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=READ, rm=READ)
    if op in (0x86, 0x87):
        return fields(form, text, made, reg=BOTH, rm=BOTH)
    if op in (0x88, 0x89, 0x8a, 0x8b):
        return fields(form, text, made, reg=WRITE if op & 2 else READ, rm=READ if op & 2 else WRITE)
    if op == 0x8c:
        return fields(form, text, made, rm=WRITE)
    if op == 0x8d:
        return fields(form, text, made, reg=WRITE)
    if op == 0x8e:
        return fields(form, text, made, rm=READ)
    if op == 0x8f:
        return fields(form, text, stack(form), rm=WRITE)
    if 0x91 <= op < 0x98 or op == 0x90 and form.prefix != 2:
        return low(form, implied(form, RAX, RAX), BOTH) if op != 0x90 else made
    if op == 0x98:
        return implied(form, RAX, RAX)
    if op == 0x99:
        return implied(form, RAX, RDX)
    if op == 0x9c:
        return stack(form, flags=FLAGS_READ)
    if op == 0x9d:
        return stack(form, flags=FLAGS_WRITTEN)
    if op == 0x9e:
        return Operands(RAX, 0, other=FLAGS_READ | FLAGS_WRITTEN)
    if op == 0x9f:
        return implied(form, 0, RAX, FLAGS_READ, True)
    if op in (0xa0, 0xa1):
        return implied(form, 0, RAX, byte=byte)
    if op in (0xa2, 0xa3):
        return implied(form, RAX)
    if op in (0xa8, 0xa9):
        return implied(form, RAX, 0, FLAGS_WRITTEN)
    if 0xb0 <= op < 0xc0:
        return low(form, made, WRITE, op < 0xb8)
    if op in (0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3):
        carry = FLAGS_READ if reg_field in (2, 3) else 0
        count = RCX if op in (0xd2, 0xd3) else 0
        return fields(form, text, implied(form, count, 0, carry | FLAGS_WRITTEN), rm=BOTH)
    if op in (0xc6, 0xc7):
        return fields(form, text, made, rm=WRITE)
    if op == 0xc8:
        return stack(form, RBP, RBP)
    if op == 0xc9:
        return Operands(RBP, RBP | RSP)
    if op == 0xd7:
        return implied(form, RAX | RBX, RAX, byte=True)
    if op in X87:
        if text.startswith(("fcomi", "fucomi")):
            return implied(form, flags=FLAGS_WRITTEN)
        if text.startswith("fcmov"):
            return implied(form, flags=FLAGS_READ)
        return implied(form, 0, RAX, byte=True) if (op, form.extension, form.operand) == (0xdf, 0x20, 1) else made
    if op in (0xe0, 0xe1, 0xe2):
        return Operands(RCX, RCX, other=0 if op == 0xe2 else FLAGS_READ)
    if op == 0xe3:
        return Operands(RCX)
    if op in (0xe4, 0xe5, 0xec, 0xed):
        return implied(form, RDX if op >= 0xec else 0, RAX, byte=byte)
    if op in (0xe6, 0xe7, 0xee, 0xef):
        return implied(form, RAX | (RDX if op >= 0xee else 0))
    if op == 0xf5:
        return implied(form, flags=FLAGS_READ | FLAGS_WRITTEN)
    if op in (0xf8, 0xf9):
        return implied(form, flags=FLAGS_WRITTEN)
    if op in (0xf6, 0xf7):
        if reg_field < 2:
            return fields(form, text, implied(form, flags=FLAGS_WRITTEN), rm=READ)
        if reg_field < 4:
            return fields(form, text, implied(form, flags=FLAGS_WRITTEN if reg_field == 3 else 0), rm=BOTH)
        reads = RAX | (RDX if reg_field >= 6 and not byte else 0)
        return fields(form, text, implied(form, reads, RAX | (0 if byte else RDX), FLAGS_WRITTEN, byte), rm=READ)
    if op in (0xfe, 0xff):
        if reg_field < 2:
            return fields(form, text, implied(form, flags=FLAGS_WRITTEN), rm=BOTH)
        return fields(form, text, stack(form) if reg_field in (2, 3, 6) else made, rm=READ)
    return made


# The destination, which AT&T syntax names last, is only written.
PURE = re.compile(
    r"(mov(aps|apd|ups|upd|dqa|dqu|q|d|sldup|shdup|ddup|mskps|mskpd|nt.*|q2dq|dq2q)|cvt(t?ps2dq|t?pd2dq|dq2ps|dq2pd|ps2pd"
    r"|pd2ps|t?ss2sil?q?|t?sd2sil?q?|t?ps2pi|t?pd2pi|pi2pd)|sqrt..|rsqrt..|rcp..|round..|pshuf[dw]|pshuf[hl]w|pabs.|"
    r"pmov[sz]x..|pmovmskb|pextr.|extractps|lddqu|phminposuw|aesimc|aeskeygenassist|crc32_not)\b")
COMPARES = re.compile(r"(u?comis[sd]|ptest|pcmp[ei]str.)\b")


def vector(form, text):
    name = text.split()[0]
    made = Operands()
    pieces = [piece for piece in re.split(r",\s*(?![^(]*\))", text.split("#")[0].split(None, 1)[-1].strip())]
    if COMPARES.match(name):
        made = fields(form, text, Operands(other=FLAGS_WRITTEN), reg=READ, rm=READ)
        if name.startswith("pcmp"):
            made.writes = RCX if name.endswith("i") else 0
            made.reads = RAX | RDX if name.startswith("pcmpe") else 0
        return made
    to_memory = pieces[-1].strip().startswith("(")
    pure = PURE.match(name) and not (name in ("movq", "movd") and False)
    if name in ("movss", "movsd", "movlps", "movlpd", "movhps", "movhpd"):
        pure = form.operand == MEMORY and name in ("movss", "movsd")
    stores = form.map == TWO and form.opcode in (0x11, 0x13, 0x17, 0x29, 0x2b, 0x7e, 0x7f, 0xd6, 0xe7, 0xc3) and not (
        form.opcode == 0x7e and form.prefix == 2) or form.map == MAP3A and 0x14 <= form.opcode <= 0x17
    # The unary shifts by an immediate of groups 12 to 14 name one register, r/m.
    if form.map == TWO and form.opcode in (0x71, 0x72, 0x73):
        return fields(form, text, made, rm=BOTH)
    target = WRITE if pure else BOTH
    if to_memory or stores:
        return fields(form, text, made, reg=READ, rm=target)
    return fields(form, text, made, reg=target, rm=READ)


def two_byte(form, text):
    op, reg_field = form.opcode, form.extension >> 3
    made = implied(form)
    if op in (0x20, 0x21):
        return Operands(rm=WRITE | GPR)
    if op in (0x22, 0x23):
        return Operands(rm=READ | GPR)
    if op == 0x31:
        return Operands(0, RAX | RDX)
    if op in (0x30, 0x32, 0x33):
        return Operands(RCX | (RAX | RDX if op == 0x30 else 0), 0 if op == 0x30 else RAX | RDX)
    if 0x40 <= op < 0x50:
        return fields(form, text, implied(form, flags=FLAGS_READ), reg=BOTH, rm=READ)
    if 0x80 <= op < 0x90:
        return implied(form, flags=FLAGS_READ)
    if 0x90 <= op < 0xa0:
        return fields(form, text, implied(form, flags=FLAGS_READ), rm=WRITE)
    if op in (0xa0, 0xa1, 0xa8, 0xa9):
        return stack(form)
    if op == 0xa2:
        return Operands(RAX | RCX, RAX | RBX | RCX | RDX)
    if op in (0xa3, 0xab, 0xb3, 0xbb):
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=READ, rm=READ if op == 0xa3 else BOTH)
    if op == 0xba:
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), rm=READ if reg_field == 4 else BOTH)
    if op in (0xa4, 0xa5, 0xac, 0xad):
        return fields(form, text, implied(form, RCX if op & 1 else 0, 0, FLAGS_WRITTEN), reg=READ, rm=BOTH)
    if op == 0xaf:
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=BOTH, rm=READ)
    if op in (0xb0, 0xb1):
        return fields(form, text, implied(form, RAX, RAX, FLAGS_WRITTEN, op == 0xb0), reg=READ, rm=BOTH)
    if op in (0x02, 0x03, 0xb6, 0xb7, 0xb8, 0xbc, 0xbd, 0xbe, 0xbf):
        flags = FLAGS_WRITTEN if op < 4 or 0xb8 <= op <= 0xbd else 0
        return fields(form, text, implied(form, flags=flags), reg=WRITE, rm=READ)
    if op in (0xc0, 0xc1):
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=BOTH, rm=BOTH)
    if op == 0xc3:
        return fields(form, text, made, reg=READ)
    if op == 0xc7:
        if reg_field == 1:
            return Operands(RAX | RDX | RBX | RCX, RAX | RDX, other=FLAGS_WRITTEN)
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), rm=WRITE)
    if 0xc8 <= op < 0xd0:
        return low(form, made, BOTH)
    if op < 0x10 or 0x18 <= op < 0x28 or op in (0x05, 0x77, 0xae) or 0x30 <= op < 0x40 or 0x78 <= op < 0x7a:
        return made
    return vector(form, text)


def map38(form, text):
    if form.opcode in (0xf0, 0xf1):
        if form.prefix == 3:  # CRC32
            return fields(form, text, Operands(), reg=BOTH, rm=READ)
        return fields(form, text, implied(form), reg=READ if form.opcode == 0xf1 else WRITE)
    if form.opcode == 0xf6 and form.prefix in (1, 2):
        return fields(form, text, Operands(other=FLAGS_READ | FLAGS_WRITTEN), reg=BOTH, rm=READ)
    return vector(form, text)


def vex(form, text):
    op = form.opcode
    if form.map == VEX3A:
        return fields(form, text, Operands(), reg=WRITE, rm=READ)
    flags = FLAGS_WRITTEN if op in (0xf2, 0xf3) or op == 0xf5 and form.prefix == NONE or \
        op == 0xf7 and form.prefix == NONE else 0
    mulx = op == 0xf6
    made = fields(form, text, Operands(RDX if mulx else 0, other=flags), reg=0 if op == 0xf3 else WRITE, rm=READ)
    made.vvvv = (WRITE if mulx or op == 0xf3 else READ) | GPR
    return made


def legacy(form, text):
    op = form.opcode
    if 0x40 <= op < 0x50:
        return low(form, implied(form, flags=FLAGS_WRITTEN), BOTH)
    if op == 0x82:
        return arithmetic(form, text, form.extension >> 3, 0)
    if op in (0x27, 0x2f, 0x37, 0x3f):
        return implied(form, RAX, RAX, FLAGS_READ | FLAGS_WRITTEN)
    if op in (0xd4, 0xd5):
        return implied(form, RAX, RAX, FLAGS_WRITTEN)
    if op == 0xd6:
        return implied(form, 0, RAX, FLAGS_READ, True)
    if op == 0x60:
        return stack(form, 0xff)
    if op == 0x61:
        return stack(form, 0, 0xff & ~RSP)
    if op in (0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x9a):
        return stack(form)
    if op in (0xc4, 0xc5):
        return fields(form, text, implied(form), reg=WRITE)
    if op == 0x63:
        return fields(form, text, implied(form, flags=FLAGS_WRITTEN), reg=READ, rm=BOTH)
    return implied(form)


def of(form, text):
    readers = {ONE: one_byte, TWO: two_byte, MAP38: map38, MAP3A: vector, VEX38: vex, VEX3A: vex, LEGACY: legacy}
    return readers[form.map](form, text)
