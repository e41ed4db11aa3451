#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""independent.py - a second reader of every format, written from the manual pages alone

    python3 tests/vectors/independent.py vectors
    python3 tests/vectors/independent.py store DIRECTORY...
    python3 tests/vectors/independent.py git REPOSITORY...

`vectors` decodes tests/vectors/*: what a name says must be accepted or refused, is.  `store` reads
every file of a chunk store, `git` every pointer, journal and note of a repository.  Shares nothing
with the C code: where the two disagree, a page is not precise or the code does not follow it.
The fields of a record are read from the list in the page itself.
"""
import ctypes
import ctypes.util
import functools
import hashlib
import os
import re
import sqlite3
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "..", "git-deepops", "docs")
MIB = 1 << 20
EMPTY = hashlib.sha256(b"").digest()


class Refused(Exception):
    pass


def check(good, why):
    if not good:
        raise Refused(why)


def sha256(data):
    return hashlib.sha256(data).digest()


def unhex(text):
    """Text of a .hex vector, see vectors.h."""
    out = bytearray()
    for line in text.decode("ascii").split("\n"):
        line = line.split("  ", 1)[0].strip()
        times = re.fullmatch(r"(.*?) ?\*(\d+)", line)
        out += bytes.fromhex(times[1]) * int(times[2]) if times else bytes.fromhex(line)
    return bytes(out)


class Rd:
    """Little-endian integers and bytes from the front of a buffer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, n):
        check(self.at + n <= len(self.data), "cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def int(self, n):
        return int.from_bytes(self.bytes(n), "little")

    def left(self):
        return len(self.data) - self.at

    def end(self):
        check(self.left() == 0, "trailing bytes")


# ---- text: numbers, ids, names (gitformat-deepops-pointer) ----

def number(text, most=(1 << 63) - 1):
    check(re.fullmatch(rb"0|[1-9][0-9]*", text) and int(text) <= most, "number %r" % text)
    return int(text)


def parse_id(text):
    check(re.fullmatch(rb"sha256:[0-9a-f]{64}", text), "id %r" % text)
    return bytes.fromhex(text[7:].decode())


ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r",
           34: b'\\"', 92: b"\\\\"}


def quote_always(name):
    return b'"' + b"".join(ESCAPES.get(c) or (b"\\%03o" % c if c < 0x20 or c >= 0x7f else bytes([c]))
                           for c in name) + b'"'


def quote(name):
    if re.search(rb'[\x00-\x1f\x7f-\xff"\\]|^ | $', name):
        return quote_always(name)
    return name


def unescape(body):
    names = {v[1:]: bytes([k]) for k, v in ESCAPES.items()}

    def one(m):
        if m[1] in names:
            return names[m[1]]
        check(re.fullmatch(rb"[0-3][0-7]{2}", m[1]), "escape %r" % m[1])
        return bytes([int(m[1], 8)])
    return re.sub(rb"\\([0-7]{1,3}|.?)", one, body, flags=re.S)


def unquote(text):
    name = text
    if text.startswith(b'"'):
        check(len(text) >= 2 and text.endswith(b'"'), "open quote")
        name = unescape(text[1:-1])
    check(quote(name) == text, "another spelling of %r" % name)
    return name


def check_component(name):
    check(1 <= len(name) <= 255 and b"\0" not in name and b"/" not in name
          and name not in (b".", b"..") and name.lower() != b".git", "name %r" % name)


# ---- node ----

NODE_KINDS = {(b"100644", b"file"), (b"100755", b"file"), (b"120000", b"link"),
              (b"040000", b"node"), (b"040000", b"part")}


def node(text):
    """[(mode, kind, id, bytes, files, name)]"""
    check(len(text) <= 524288, "too long")
    check(text.endswith(b"\n") and text.startswith(b"deepops-node 1\n"), "header or end")
    out, last = [], None
    for line in text.split(b"\n")[1:-1]:
        words = line.split(b" ", 5)
        check(len(words) == 6, "line %r" % line)
        mode, kind, id_, size, files, name = words
        check((mode, kind) in NODE_KINDS, "mode or kind in %r" % line)
        id_, size, files, name = parse_id(id_), number(size), number(files), unquote(name)
        check_component(name)
        check(last is None or last < name, "order")
        last = name
        if kind in (b"file", b"link"):
            check(files == 1, "files")
        if kind == b"link":
            check(1 <= size <= 4096, "size of a link")
        if kind == b"file":
            check((size == 0) == (id_ == EMPTY), "empty file")
        check(files or not size, "bytes without files")
        out.append((mode, kind, id_, size, files, name))
    check(len(out) <= 4096, "too many entries")
    check(len({kind == b"part" for _, kind, *_ in out}) <= 1, "parts beside others")
    return out


def node_line(mode, kind, id_, size, files, name):
    return b"%s %s sha256:%s %d %d %s\n" % (mode, kind, id_.hex().encode(), size, files, quote(name))


def build_directory(entries, nodes, level=0):
    """The id of a directory with these entries; the texts of its nodes go to `nodes`."""
    text = b"deepops-node 1\n" + b"".join(node_line(*e) for e in entries)
    if len(entries) <= 4096 and len(text) <= 524288:
        nodes[sha256(text)] = text
        return sha256(text)
    parts = []
    for e in entries:
        size = len(node_line(*e))
        digest_ = sha256(e[5])[4 * level:4 * level + 4]
        if (not parts or int.from_bytes(digest_, "big") % 1024 == 0
                or len(parts[-1]) == 4096 or room + size > 524288):
            parts.append([])
            room = len(b"deepops-node 1\n")
        parts[-1].append(e)
        room += size
    listed = []
    for part in parts:
        id_ = build_directory(part, nodes)
        listed.append((b"040000", b"part", id_, sum(e[3] for e in part), sum(e[4] for e in part),
                       part[0][5]))
    return build_directory(listed, nodes, level + 1)


def vector_directory(text):
    """names COUNT WIDTH [boundary], root ID, nodes COUNT: see vectors.h"""
    m = re.fullmatch(rb"names (\d+) (\d+)( boundary)?\nroot (sha256:[0-9a-f]{64})\nnodes (\d+)\n", text)
    check(m, "malformed vector")
    entries, k = [], 0
    while len(entries) < int(m[1]):
        name = (b"n%07d" % k).ljust(int(m[2]), b"x")
        k += 1
        if not m[3] or int.from_bytes(sha256(name)[:4], "big") % 1024 == 0:
            entries.append((b"100644", b"file", EMPTY, 0, 1, name))
    nodes = {}
    check(build_directory(entries, nodes) == parse_id(m[4]), "another root")
    check(len(nodes) == int(m[5]), "%d nodes" % len(nodes))


# ---- pointer ----

def unescape_sub(text):
    check(re.fullmatch(rb'(?:[^"\\]|\\["\\])*', text, re.S), "section name")
    return re.sub(rb'\\(.)', rb"\1", text, flags=re.S)


def shard_parts(name):
    """(components, is it the files of a split directory)"""
    if name == b".":
        return [], False
    if name == b"/":
        return [], True
    files = name.endswith(b"/")
    parts = (name[:-1] if files else name).split(b"/")
    for p in parts:
        check_component(p)
    check(len(parts) <= 128, "too deep")
    return parts, files


def pointer(text):
    check(len(text) <= 262144 and text.endswith(b"\n"), "length or end")
    lines = text.split(b"\n")[:-1]
    pos = 0

    def take(pattern):
        nonlocal pos
        check(pos < len(lines), "cut short")
        m = re.fullmatch(pattern, lines[pos], re.S)
        check(m, "line %r" % lines[pos])
        pos += 1
        return m[1] if m.groups() else None

    take(rb"\[deepops\]")
    take(rb"\tversion = 1")
    kind = take(rb"\tkind = (tree|file)")
    shards, top = [], None
    if kind == b"file":
        take(rb"\[content\]")
        id_ = parse_id(take(rb"\tid = (.*)"))
        size = number(take(rb"\tbytes = (.*)"))
        mode = take(rb"\tmode = (100644|100755)")
        check((size == 0) == (id_ == EMPTY), "empty file")
        top = (id_, size, mode)
    else:
        while pos < len(lines) and lines[pos] != b"[selection]":
            name = unquote(unescape_sub(take(rb'\[shard "(.*)"\]')))
            id_ = parse_id(take(rb"\tid = (.*)"))
            files = number(take(rb"\tfiles = (.*)"))
            size = number(take(rb"\tbytes = (.*)"))
            take(rb"\tkind = node")
            check(files or not size, "bytes without files")
            check(not shards or shards[-1][0] < name, "order of shards")
            shards.append((name, id_, files, size))
        check(all(sum(s[i] for s in shards) < 1 << 63 for i in (2, 3)), "totals")
        check(1 <= len(shards) <= 4096, "number of shards")
        check_shards(shards)
    selection = None
    if pos < len(lines):
        take(rb"\[selection\]")
        selection = {"base": parse_id(take(rb"\tbase = (.*)"))}
        quoted = rb'"((?:[^"\\\x00-\x1f\x7f]|\\["\\])*)"'
        plain = rb'([^\s"\\;#\x00-\x20\x7f]+)'
        selection["query"] = take(rb"\tquery = " + quoted)
        number(take(rb"\tseed = (.*)"), (1 << 64) - 1)
        take(rb"\tsplit = " + plain)
        take(rb"\tpart = " + plain)
        if pos < len(lines):
            take(rb"\tgroup = " + quoted)
    check(pos == len(lines), "something follows")
    return kind, top, shards, selection


def check_shards(shards):
    dirs = {}
    for name, _, files, _ in shards:
        parts, direct = shard_parts(name)
        dirs[tuple(parts), direct] = files
    for parts, direct in dirs:
        check(parts or direct or len(shards) == 1, ". beside others")
        for i in range(len(parts)):
            check((parts[:i], False) not in dirs, "shards overlap")
        if direct:
            check((parts, False) not in dirs, "shards overlap")
            below = [p for p, _ in dirs if len(p) > len(parts) and p[:len(parts)] == parts]
            check(dirs[parts, True] or not below, "a shard of no files beside others")


def split_key(shards):
    text = b"deepops-split 1\n"
    for name, id_, files, size in shards:
        text += b"sha256:%s %d %d %s\n" % (id_.hex().encode(), size, files, quote(name))
    return sha256(text)


# ---- recipe, chunker, encodings (gitformat-deepops-store) ----

def recipe(data):
    """(version, profile, bytes, [(id, length)])"""
    r = Rd(data)
    check(r.bytes(4) == b"DOPR", "magic")
    version, profile, size, n = r.int(2), r.int(2), r.int(8), r.int(4)
    check(version in (1, 2) and profile >= 1 and size < 1 << 63 and 1 <= n <= 29126, "header")
    entries = [(r.bytes(32), r.int(4)) for _ in range(n)]
    r.end()
    if version == 1:
        check(all(1 <= length <= MIB for _, length in entries), "length of a chunk")
        check(sum(length for _, length in entries) == size, "sum")
    return version, profile, size, entries


def cut_pieces(entries):
    out, at = [], 0
    for i, (id_, _) in enumerate(entries):
        if int.from_bytes(id_[:4], "big") % 8192 == 0 or i + 1 - at == 29127 or i + 1 == len(entries):
            out.append(entries[at:i + 1])
            at = i + 1
    return out


def piece_bytes(piece):
    return b"".join(id_ + struct.pack("<I", length) for id_, length in piece)


def vector_recipe(data):
    version, _, size, pieces = recipe(data)
    if version == 1:
        return
    chunks = [(sha256(struct.pack("<Q", k)), k % 1000 + 1) for k in range(40000)]
    known = {sha256(piece_bytes(p)): p for p in cut_pieces(chunks)}
    entries = []
    for id_, n in pieces:
        check(id_ in known and len(known[id_]) == n, "piece")
        entries += known[id_]
    check_long_list(entries, pieces, size)


def check_long_list(entries, pieces, size):
    check(len(entries) > 29126 and sum(length for _, length in entries) == size, "sum")
    check([(sha256(piece_bytes(p)), len(p)) for p in cut_pieces(entries)] == pieces, "cut")


@functools.lru_cache(None)
def gear():
    return [int.from_bytes(sha256(b"deepops-gear" + struct.pack("<H", i))[:8], "big")
            for i in range(256)]


def cut(data):
    """Lengths of the chunks of a file."""
    g, at, out = gear(), 0, []
    check(g[0] == 0x27eb170b291b5324 and g[255] == 0x672d3aa0caffcb05, "gear")
    while at < len(data):
        left = len(data) - at
        if left <= 16384:
            out.append(left)
            break
        h = 0
        for i in range(16320, 16384):
            h = (2 * h + g[data[at + i]]) & 0xffffffffffffffff
        n = left
        for i in range(16384, min(left, 262144)):
            h = (2 * h + g[data[at + i]]) & 0xffffffffffffffff
            mask = 0xffffc00000000000 if i < 65536 else 0xfffc000000000000
            if h & mask == 0 or i == 262143:
                n = i + 1
                break
        out.append(n)
        at += n
    return out


def vector_chunker(text):
    data, said = b"", []
    for line in text.decode().split("\n"):
        if line.startswith("source sha256-counter "):
            n = int(line.split()[2])
            data += b"".join(sha256(struct.pack("<Q", i)) for i in range(n // 32 + 1))[:n]
        elif line.startswith("source repeat "):
            unit, n = bytes.fromhex(line.split()[2]), int(line.split()[3])
            data += (unit * (n // len(unit) + 1))[:n]
        elif line and not line.startswith("#"):
            said.append(line)
    at, got = 0, []
    for n in cut(data):
        at += n
        got.append("cut %d" % at)
    # A last chunk that only the end of the file ends is told by `end` alone.
    end = ["end %d" % len(data)]
    check(said in (got + end, got[:-1] + end), "other cuts")


def zstd_frame(frame, plain):
    """The header of RFC 8878, bounds of the page, then libzstd."""
    r = Rd(frame)
    check(r.int(4) == 0xfd2fb528, "magic")
    d = r.int(1)
    check(d & 8 == 0, "reserved bit")
    window = None
    if not d & 32:
        w = r.int(1)
        base = 1 << (10 + (w >> 3))
        window = base + (base >> 3) * (w & 7)
    check(d & 3 == 0, "dictionary")
    width = [1 if d & 32 else 0, 2, 4, 8][d >> 6]
    check(width, "no content size")
    size = r.int(width) + (256 if width == 2 else 0)
    check(size == plain, "declared size")
    check((window or size) <= 1 << 21, "window")
    lib = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    for f in (lib.ZSTD_decompress, lib.ZSTD_findFrameCompressedSize):
        f.restype = ctypes.c_size_t
    check(lib.ZSTD_findFrameCompressedSize(frame, ctypes.c_size_t(len(frame))) == len(frame), "end")
    out = ctypes.create_string_buffer(plain)
    n = lib.ZSTD_decompress(out, ctypes.c_size_t(plain), frame, ctypes.c_size_t(len(frame)))
    check(n == plain, "does not decode")
    return out.raw


def decode_chunk(encoding, plain, stored):
    check(1 <= plain <= MIB, "plain length")
    check(encoding in (0, 1), "encoding %d" % encoding)
    if encoding == 0:
        check(len(stored) == plain, "raw length")
        return stored
    return zstd_frame(stored, plain)


def vector_zframe(data):
    r = Rd(data)
    encoding, plain = r.int(1), r.int(4)
    decode_chunk(encoding, plain, r.bytes(r.left()))


# ---- packs and segments ----

@functools.lru_cache(None)
def crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


def crc32c(data):
    table, c = crc_table(), 0xffffffff
    for b in data:
        c = c >> 8 ^ table[(c ^ b) & 255]
    return c ^ 0xffffffff


STORED_MAX = 1052672


def check_lengths(kind, encoding, stored, plain):
    check(kind in (1, 2, 3) and encoding in (0, 1) and 1 <= plain <= MIB and 1 <= stored <= STORED_MAX
          and (encoding or stored == plain), "fields of an entry")


def pack(data, crc=True):
    """(id, {(kind, id): chunk})"""
    check(28 < len(data) <= 64 * MIB, "length")
    check(data[:12] == b"DOPSPACK\1\0\0\0", "header")
    check(len(data) >= 28 + 8 + 40, "cut short")
    where, = struct.unpack("<Q", data[-40:-32])
    check(28 <= where <= len(data) - 48, "offset of the footer")
    footer = data[where:]
    check(sha256(data[:28] + footer[:-32]) == footer[-32:], "SHA-256")
    r = Rd(footer[:-40])
    check(r.bytes(4) == b"DOPF", "footer")
    n = r.int(4)
    check(1 <= n <= 65536 and r.left() == 52 * n, "rows")
    rows, chunks, last = [], {}, None
    for _ in range(n):
        kind, encoding, zero, id_ = r.int(1), r.int(1), r.int(2), r.bytes(32)
        offset, stored, plain, sum_ = r.int(4), r.int(4), r.int(4), r.int(4)
        check(zero == 0, "reserved")
        check_lengths(kind, encoding, stored, plain)
        check(last is None or last < (kind, id_), "order of rows")
        last = kind, id_
        rows.append((offset, kind, encoding, id_, stored, plain, sum_))
    at = 28
    for offset, kind, encoding, id_, stored, plain, sum_ in sorted(rows):
        check(offset == at, "gap")
        e = Rd(data[at:where])
        header = e.bytes(48)
        check(header == b"DOPE" + struct.pack("<BBH32sII", kind, encoding, 0, id_, stored, plain),
              "entry differs from its row")
        check(e.int(4) == sum_, "crc differs")
        payload = e.bytes(stored)
        check(not crc or crc32c(header + payload) == sum_, "crc")
        plain_bytes = decode_chunk(encoding, plain, payload)
        if kind == 3:
            recipe(plain_bytes)
        else:
            check(sha256(plain_bytes) == id_, "id")
        if kind == 2:
            node(plain_bytes)
        chunks[kind, id_] = plain_bytes, (offset, stored, plain, encoding)
        at += 52 + stored
    check(at == where, "gap before the footer")
    return footer[-32:], chunks


def segment(data):
    """(id, [pack], [(kind, id, pack number, offset, stored, plain, encoding)])"""
    check(len(data) >= 24 and data[:12] == b"DOPSSEGM\1\0\0\0", "header")
    packs, n, zero = struct.unpack("<III", data[12:24])
    check(zero == 0 and 1 <= packs <= 4194304 and 1 <= n <= 64000000, "header")
    body = 24 + 32 * packs + 4 * 768 + n * (32 + 4 * 4 + 1)
    blocks = (body + 65535) // 65536
    check(len(data) == body + 4 * blocks + 32, "length")
    check(sha256(data[:-32]) == data[-32:], "SHA-256")
    for i in range(blocks):
        sum_, = struct.unpack_from("<I", data, body + 4 * i)
        check(crc32c(data[65536 * i:min(65536 * (i + 1), body)]) == sum_, "crc")
    r = Rd(data[24:body])
    table = [r.bytes(32) for _ in range(packs)]
    fan = [r.int(4) for _ in range(768)]
    ids = [r.bytes(32) for _ in range(n)]
    columns = [[r.int(4) for _ in range(n)] for _ in range(4)]
    encodings = [r.int(1) for _ in range(n)]
    r.end()
    check(fan == sorted(fan) and fan[-1] == n, "fan-out")
    rows, last = [], None
    for i in range(n):
        kind = 1 + (i >= fan[255]) + (i >= fan[511])
        place = 256 * (kind - 1) + ids[i][0]
        check((fan[place - 1] if place else 0) <= i < fan[place], "fan-out")
        pack_, offset, stored, plain = (c[i] for c in columns)
        check(pack_ < packs, "pack")
        check(28 <= offset and offset + 52 + stored <= 64 * MIB, "offset")
        check_lengths(kind, encodings[i], stored, plain)
        check(last is None or last < (kind, ids[i]), "order")
        last = kind, ids[i]
        rows.append((kind, ids[i], pack_, offset, stored, plain, encodings[i]))
    return data[-32:], table, rows


# ---- frames (gitprotocol-deepops) ----

def string(r):
    n = r.int(2)
    check(n <= 4096, "long string")
    return r.bytes(n)


def keys(r):
    n = r.left() // 33
    r.bytes(33 * n)
    check(1 <= n <= 4096, "number of keys")


def hello(r):
    check(r.bytes(8) == b"DOPSWIRE", "magic")
    r.bytes(4)
    check(r.int(1) <= 3, "role")
    r.bytes(4 + 4 + 2 + 2 + 8 + 16 + 8 + 8)
    n = r.int(2)
    check(n <= 64, "capabilities")
    for _ in range(n):
        check(re.fullmatch(rb"[!-~]+", string(r)), "capability")


def bitmap(r):
    n, width = r.int(2), r.int(1)
    check(width in (1, 2), "width")
    values = r.int((n * width + 7) // 8)
    check(values >> (n * width) == 0, "unused bits")


def chunk(r):
    r.int(1)
    encoding = r.int(1)
    r.bytes(2 + 32)
    plain, stored = r.int(4), r.left()
    if encoding == 255:
        check(plain == 0 and stored == 0, "absent")
    else:
        check(1 <= plain <= MIB and 1 <= stored <= STORED_MAX, "lengths")
    r.bytes(stored)


def commit(r):
    while r.left():
        tag = r.int(1)
        if tag == 1:
            check(1 <= r.int(4) <= 4096, "shards")
        elif tag == 2:
            r.bytes(32 + 16)
            check(re.fullmatch(rb"[^\0]+", string(r)), "name")
        else:
            check(tag == 3, "item")
            r.bytes(32)


def err(r):
    r.int(1)
    check(b"\0" not in string(r) and b"\0" not in string(r), "NUL")


def policy_answer(r):
    state, n = r.int(1), r.left()
    check(state <= 2 and n <= (0, 256 * 1024, 4096)[state], "POLICY")
    r.bytes(n)


def frame(data):
    r = Rd(data)
    length = r.int(4)
    check(4 <= length <= 1114112 and length == r.left(), "length")
    type_, flags, _ = r.int(1), r.int(1), r.int(2)
    check(flags & ~7 == 0 and (not flags & 2 or type_ == 9), "flags")
    check(not flags & 4 or type_ == 7, "piece")
    if type_ == 1:
        hello(r)
    elif type_ == 2:
        err(r)
    elif type_ in (3, 4, 5, 11, 12):
        keys(r)
    elif type_ == 6:
        bitmap(r)
    elif type_ in (7, 13):
        chunk(r)
    elif type_ in (8, 10):
        r.int(8)
    elif type_ == 9:
        commit(r)
    elif type_ == 14:
        check(r.left() <= 64, "long ping")
        r.bytes(r.left())
    elif type_ == 16:
        r.bytes(16)
    elif type_ == 17:
        if r.left():
            policy_answer(r)
    elif type_ == 18:
        check(r.int(1) <= 1, "flags of PROVE")
        r.bytes(4)
        keys(r)
    elif type_ != 15:
        check(flags & 1, "unknown type")
        return
    r.end()


# ---- record (gitformat-deepops-record) ----

INT_MAX = (1 << 53) - 1


class Json:
    """Just enough of a parser to read one canonical document; anything else is refused."""
    ESC = {'"': '"', "\\": "\\", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}

    def __init__(self, text):
        self.s, self.at = text, 0

    def take(self, what):
        check(self.s.startswith(what, self.at), "expected %r at %d" % (what, self.at))
        self.at += len(what)

    def peek(self):
        return self.s[self.at:self.at + 1]

    def value(self, depth=0):
        check(depth < 16, "too deep")
        c = self.peek()
        if c == "{":
            return self.items("{", "}", depth, self.member)
        if c == "[":
            return self.items("[", "]", depth, self.value)
        if c == '"':
            return self.string()
        if c == "t":
            self.take("true")
            return True
        m = re.compile(r"0|[1-9][0-9]*").match(self.s, self.at)
        check(m and int(m[0]) <= INT_MAX, "value at %d" % self.at)
        self.at = m.end()
        return int(m[0])

    def items(self, open_, close, depth, one):
        out = []
        self.take(open_)
        while self.peek() != close:
            if out:
                self.take(",")
            out.append(one(depth + 1))
        self.take(close)
        check(out, "empty")
        if one == self.value:
            return out
        names = [k.encode() for k, _ in out]
        check(names == sorted(set(names)), "order of keys")
        return dict(out)

    def member(self, depth):
        name = self.string()
        self.take(":")
        return name, self.value(depth)

    def string(self):
        out = []
        self.take('"')
        while self.peek() != '"':
            c = self.peek()
            check(c and c >= " ", "control byte")
            self.at += 1
            if c == "\\":
                e = self.peek()
                self.at += 1
                if e in self.ESC:
                    c = self.ESC[e]
                else:
                    m = re.compile(r"u(00[01][0-9A-F])").match(self.s, self.at - 1)
                    check(m and chr(int(m[1], 16)) not in self.ESC.values(), "escape")
                    c = chr(int(m[1], 16))
                    self.at += 4
            out.append(c)
        self.at += 1
        return "".join(out)


def canonical_json(data):
    check(data.endswith(b"\n"), "no LF")
    try:
        text = data[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("UTF-8")
    j = Json(text)
    out = j.value()
    check(j.at == len(text), "something follows")
    return out


def is_plain(raw):
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not re.search(rb"[\x00-\x1f\x7f]", raw) and not raw.startswith(b'"')


def text(s, empty=False):
    """The bytes that a text stands for."""
    check(isinstance(s, str) and (s or empty), "text")
    raw = s.encode()
    if raw.startswith(b'"'):
        check(len(raw) >= 2 and raw.endswith(b'"'), "quoting of %r" % s)
        plain = unescape(raw[1:-1])
        check(b"\0" not in plain and not is_plain(plain) and quote_always(plain) == raw,
              "quoting of %r" % s)
        return plain
    check(is_plain(raw), "text %r" % s)
    return raw


def match(pattern):
    def one(v):
        check(isinstance(v, str) and re.fullmatch(pattern, v), "value %r" % (v,))
    return one


def integer(v):
    check(type(v) is int, "integer")


def flag(v):
    check(v is True, "flag")


def time(v):
    match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")(v)
    year, month, day, hour, minute, second = (int(x) for x in re.findall(r"\d+", v)[:6])
    days = [31, 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28, 31, 30, 31, 30,
            31, 31, 30, 31, 30, 31]
    check(1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60
          and second < 60, "time %r" % v)


def text_list(v):
    check(isinstance(v, list), "list")
    for s in v:
        text(s, empty=True)


def text_set(v):
    check(isinstance(v, list), "set")
    raw = [text(s) for s in v]
    check(raw == sorted(set(raw)), "order of a set")


def pairs(v):
    check(isinstance(v, list) and all(isinstance(p, dict) and set(p) == {"name", "value"} for p in v),
          "pairs")
    raw = [text(p["name"]) for p in v]
    for p in v:
        text(p["value"])
    check(raw == sorted(set(raw)), "order of pairs")


GIT_ID = r"[0-9a-f]{40}([0-9a-f]{24})?"
TYPES = {"text": text, "word": match(r"[!#-~][!-~]*"), "hex 16": match(r"[0-9a-f]{16}"),
         "hex 32": match(r"[0-9a-f]{32}"), "git id": match(GIT_ID),
         "digest": match(r"sha256:[0-9a-f]{64}"), "integer": integer, "time": time, "flag": flag,
         "text list": text_list, "text set": text_set, "pairs": pairs}


@functools.lru_cache(None)
def fields():
    """{path: (type, present, words of its meaning)} from the list in the page"""
    out = {}
    with open(os.path.join(DOCS, "gitformat-deepops-record.5.adoc"), encoding="utf-8") as f:
        page = f.read().split("=== Fields\n", 1)[1].split("\nFurther rules", 1)[0]
    for key, type_, present, meaning in re.findall(
            r"^`([^`]+)`, (.*?), (always|optional|run, rerun)::\n((?:\t.*\n)+)", page, re.M):
        out[key] = type_, present, re.findall(r"`([^`]*)`", meaning)
    return out


def flatten(group, prefix, out):
    for k, v in group.items():
        path = prefix + k
        if isinstance(v, dict):
            flatten(v, path + ".", out)
        else:
            out[path] = v


def check_fields(got, kind, prefix=""):
    table = fields()
    below = {p[len(prefix):]: v for p, v in table.items()
             if p.startswith(prefix) and "[]" not in p[len(prefix):]}
    for key, value in got.items():
        check(key in below, "unknown key %s%s" % (prefix, key))
        type_, _, words = below[key]
        if type_.startswith('"'):
            check(value == type_.strip('"'), "%s is not %s" % (key, type_))
        elif type_ == "name":
            if key == "verdict":
                words = table["rerun.verdict"][2]
            check(value in " ".join(words).split(), "%s = %r" % (key, value))
        elif type_ == "objects":
            check_objects(value, kind, prefix + key + "[].")
        else:
            TYPES[type_](value)
    for key, (_, present, _) in below.items():
        needed = present == "always" or kind in present.split(", ")
        check(not needed or key in got, "%s%s is missing" % (prefix, key))


def check_objects(v, kind, prefix, most=None):
    check(isinstance(v, list) and all(isinstance(o, dict) for o in v), "objects")
    check(most is None or len(v) <= most, "too many objects")
    for o in v:
        check_fields(o, kind, prefix)
    raw = [text(o["path"]) for o in v]
    check(raw == sorted(set(raw)), "order of objects")


# Lists that may stand beside the record, in the file of that name with .json.
SPILLED = {"inputs": "inputs", "outputs": "outputs", "filtered": "code.filtered",
           "large": "code.large", "modules": "code.modules", "per_output": "rerun.per_output",
           "programs": "command.programs", "env_names": "machine.env_names",
           "params_values": "params.values"}


def git_ids(got, prefix=""):
    """The git ids of a record, wherever they stand."""
    for key, value in got.items():
        type_ = fields()[prefix + key][0]
        if type_ == "git id":
            yield value
        elif type_ == "objects":
            for item in value:
                yield from git_ids(item, prefix + key + "[].")


def record(data):
    check(len(data) <= 65536, "too long")
    top = canonical_json(data)
    check(isinstance(top, dict), "not an object")
    got = {}
    flatten(top, "", got)
    check_fields(got, got.get("kind"))
    check(("prev" in got) == (got["seq"] != 1) and got["seq"] >= 1, "seq and prev")
    check(not ("exec.exit" in got and "exec.signal" in got), "exit and signal")
    check("exec.ended" in got or not ("exec.exit" in got or "exec.signal" in got), "no end")
    check(len({len(id_) for id_ in git_ids(got)}) <= 1, "git ids of two lengths")
    check((got["kind"] == "fork") == ("fork.writer" in got) == ("fork.seq" in got), "fork")
    for part in ("inputs", "outputs"):
        check(len(got.get(part, ())) <= 100, "too many")
    for member, part in SPILLED.items():
        check(not (part in got and "spill." + member in got), "both here and spilled")
    return got


def percent(raw, keep):
    return b"".join(bytes([c]) if re.match(keep, bytes([c])) else b"%%%02X" % c for c in raw)


def unpercent(text):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text)


def capture(data):
    check(data.endswith(b"\n") and len(data) <= 4 * MIB, "length or end")
    last = key_before = None
    for line in data.split(b"\n")[:-1]:
        key, _, value = line.partition(b"=")
        check(key and value and b"\0" not in unpercent(line), "line %r" % line)
        check(percent(unpercent(key), rb"[!-$&-<>-~]") == key, "another spelling of %r" % key)
        check(percent(unpercent(value), rb"[ -$&-~]") == value, "another spelling of %r" % value)
        check(re.match(rb"(os|build|kernel|cpu|gpu|env)\..", key), "facet of %r" % key)
        check(last is None or (last < line and key_before != key), "order")
        last, key_before = line, key


def note(line):
    """(12 digits of the record id, level)"""
    m = re.fullmatch(rb"Deepops-Run: [ -~]*?(?: level=(R[0-4]/T[0-3]))? rec=([0-9a-f]{12})\n", line)
    check(m, "not a line about a run")
    return m[2], m[1]


# ---- git-config syntax, read strictly: policy, .deepops/config ----

def conf(data):
    """[(section, sub or None, key or None for a header, value)]"""
    check(len(data) <= 262144, "length")
    out, section, sub = [], None, None
    for line in data.split(b"\n"):
        check(len(line) <= 32768, "long line")
        line = line[:-1] if line.endswith(b"\r") else line
        check(not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line), "control byte")
        line = line.lstrip(b" \t")
        if not line or line[:1] in b";#":
            continue
        header = re.fullmatch(rb'\[([a-z0-9-]+)(?: "((?:[^"\\]|\\["\\])*)")?\][ \t]*(?:[;#].*)?',
                              line, re.S)
        key = re.fullmatch(rb'([A-Za-z][A-Za-z0-9-]*)[ \t]*=[ \t]*'
                           rb'(?:"((?:[^"\\]|\\["\\nt])*)"[ \t]*|([^"\\;#]*))(?:[;#].*)?', line, re.S)
        if header:
            section, sub = header[1], header[2]
            check(section not in (b"include", b"includeif"), "include")
            sub = None if sub is None else unescape_sub(sub)
            out.append((section, sub, None, None))
        else:
            check(key and section, "line %r" % line)
            value = key[3].rstrip(b" \t") if key[2] is None else re.sub(
                rb"\\(.)", lambda m: {b"n": b"\n", b"t": b"\t"}.get(m[1], m[1]), key[2])
            out.append((section, sub, key[1], value))
    return out


def one_of(*words):
    return lambda v: check(v.decode("latin-1") in words, "not one of %s" % (words,))


def like(pattern):
    return lambda v: check(re.fullmatch(pattern, v, re.S), "value %r" % v)


def since(v):
    if re.fullmatch(GIT_ID.encode(), v):
        return
    m = re.fullmatch(rb"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d{3})?Z)?", v)
    check(m, "since")
    clock = m[2] or b"T00:00:00Z"
    time((m[1] + clock[:9] + b".000Z").decode())


def gate(v):
    words = v.split(b" ")
    check(len(words) == 3 and words[0] and words[1] in (b">=", b">", b"<=", b"<"), "metric")
    check(re.fullmatch(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", words[2]), "number")
    check(abs(float(words[2])) < float("inf"), "number")


POLICY = {b"ref": like(rb"refs/(?!deepops/).*"), b"mode": one_of("off", "warn", "enforce"),
          b"since": since, b"level": like(rb"R[0-4](/T[0-3])?"),
          b"machine": one_of("capture", "image"), b"results": like(rb".+"),
          b"match": one_of("content", "tree"), b"require": one_of("tip", "every", "first-parent"),
          b"exempt": like(rb".+"), b"noData": one_of("refuse", "allow"),
          b"retract": one_of("any", "writer"),
          b"ignored": one_of("allow", "refuse"), b"metric": gate,
          b"signed": one_of("none", "record", "push"), b"rewind": one_of("refuse", "allow"),
          b"override": one_of("none", "option", "signed"), b"overrideBy": like(rb".+")}
POLICY_LISTS = (b"ref", b"results", b"exempt", b"overrideBy")


def policy(data):
    rules = {}
    for section, sub, key, value in conf(data):
        if key is None:
            check(section == b"rule" and sub and sub not in rules, "header")
            check(len(rules) < 1000, "too many rules")
            rules[sub] = set()
            continue
        check(key in POLICY, "unknown key %r" % key)
        check(key in POLICY_LISTS or key not in rules[sub], "%r is given twice" % key)
        rules[sub].add(key)
        POLICY[key](value)
    check(all(b"ref" in keys_ for keys_ in rules.values()), "a rule without ref")


def config(data):
    known = {(b"deepops", b"remote"): like(rb".+"), (b"metric", b"best"): like(rb"(max|min):.+")}
    seen = set()
    for section, sub, key, value in conf(data):
        if sub is None and (section, key) in known:
            check((section, key) not in seen, "given twice")
            seen.add((section, key))
            known[section, key](value)


def store_format(data):
    m = re.fullmatch(rb"deepops-store 1\nuuid [0-9a-f]{32}\ncompatible((?: [^ \n]+)*)\n"
                     rb"read-only-compatible((?: [^ \n]+)*)\nincompatible((?: [^ \n]+)*)\n", data)
    check(m, "format")
    check(not m[3], "needs the feature %r" % m[3])


# ---- catalogue ----

CATALOGUE = {
    "meta": {"key": str, "value": int}, "pack": {"id": 32, "entries": int, "bytes": int, "generation": int},
    "segment": {"id": 32, "entries": int, "generation": int},
    "lost": {"kind": (1, 2, 3), "id": 32, "generation": int},
    "session": {"nonce": 16, "state": (1, 2), "generation": int, "seen": int},
    "root": {"kind": (1, 2), "id": 32, "files": int, "bytes": int, "state": (1, 2, 3), "rooted": (0, 1),
             "pin_until": int, "generation": int},
    "dataset": {"split_key": 32, "id": 32, "generation": int},
    "quota": {"scope": str, "max_bytes": int},
    "scrub": {"pack": 32, "depth": (1, 2), "at": int, "damaged": int},
    "audit": {"seq": int, "at": int, "who": str, "what": str, "detail": str, "prev": 32, "hash": 32}}


def column_ok(v, rule):
    if rule is str:
        return isinstance(v, str)
    if rule is int:
        return type(v) is int and v >= 0
    if isinstance(rule, tuple):
        return v in rule
    return isinstance(v, bytes) and len(v) == rule


def catalogue(db):
    """{table: [row as a dict]}"""
    out = {}
    check(db.execute("PRAGMA user_version").fetchone()[0] == 1, "version")
    for table, columns in CATALOGUE.items():
        try:
            rows = db.execute("SELECT %s FROM %s ORDER BY 1" % (", ".join(columns), table)).fetchall()
        except sqlite3.Error as e:
            raise Refused(str(e))
        out[table] = [dict(zip(columns, row)) for row in rows]
        for row in out[table]:
            check(all(column_ok(row[c], rule) for c, rule in columns.items()), "row of " + table)
    check(any(row["key"] == "generation" for row in out["meta"]), "no generation")
    check(all(row[c] for t, c in (("pack", "entries"), ("pack", "bytes"), ("segment", "entries"))
              for row in out[t]), "an empty pack or segment")
    before = bytes(32)
    for i, row in enumerate(out["audit"], 1):
        hashed = before + struct.pack("<QQ", row["seq"], row["at"])
        for key in ("who", "what", "detail"):
            raw = row[key].encode()
            hashed += struct.pack("<I", len(raw)) + raw
        check(row["seq"] == i and row["prev"] == before and row["hash"] == sha256(hashed), "audit chain")
        before = row["hash"]
    return out


def vector_catalogue(text):
    db = sqlite3.connect(":memory:")
    db.executescript(text.decode())
    catalogue(db)


# ---- journals, in a git repository ----

class Git:
    def __init__(self, path):
        self.path, self.batch = path, None

    def run(self, *args, **kw):
        done = subprocess.run(("git", "-C", self.path) + args, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **kw)
        if done.returncode:
            raise Refused("git %s: %s" % (args[0], done.stderr.decode("latin-1").strip()))
        return done.stdout

    def read(self, name, kind):
        """The bytes of an object, by one `git cat-file` for all of them."""
        if self.batch is None:
            self.batch = subprocess.Popen(("git", "-C", self.path, "cat-file", "--batch"),
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.batch.stdin.write(name.encode() + b"\n")
        self.batch.stdin.flush()
        words = self.batch.stdout.readline().decode().split()
        check(len(words) == 3, " ".join(words))
        data = self.batch.stdout.read(int(words[2]) + 1)[:-1]
        check(words[1] == kind, "%s is a %s" % (name, words[1]))
        return data

    def close(self):
        if self.batch is not None:
            self.batch.stdin.close()
            self.batch.stdout.close()
            self.batch.wait()

    def blob(self, id_):
        return self.read(id_, "blob")

    def tree(self, id_):
        """{name: (mode, type, id)}"""
        out, data = {}, self.read(id_, "tree")
        while data:
            head, data = data.split(b"\0", 1)
            mode, name = head.decode("latin-1").split(" ", 1)
            kind = {"40000": "tree", "160000": "commit"}.get(mode, "blob")
            out[name.encode("latin-1")] = mode, kind, data[:20].hex()
            data = data[20:]
        return out

    def find(self, tree, name):
        """The blob of that path, or None."""
        for part in os.fsencode(name).split(b"/"):
            entry = self.tree(tree).get(part)
            if entry is None:
                return None
            tree = entry[2]
        check(entry[1] == "blob", name + " is no file")
        return self.blob(tree)


def tree_hash(git, id_, large, path=b""):
    """TREE HASH of the page; `large` are files that are not in the git tree."""
    entries = {}
    for name, (mode, type_, oid) in git.tree(id_).items():
        if type_ == "tree":
            hash_ = tree_hash(git, oid, large, path + name + b"/")
        else:
            hash_ = sha256(oid.encode() if type_ == "commit" else git.blob(oid))
        entries[name] = mode, hash_
    for f in large:
        where = text(f["path"])
        if where.startswith(path) and b"/" not in where[len(path):]:
            entries[where[len(path):]] = f["mode"], parse_id(f["id"].encode())
    return sha256(b"".join(b"%s %s\0%s" % (entries[n][0].encode(), n, entries[n][1])
                           for n in sorted(entries)))


def digest(data):
    return "sha256:" + sha256(data).hex()


def recipe_digest(r):
    """RECIPE of the page."""
    lines = ["deepops-recipe\t1"]

    def line(*words):
        lines.append("\t".join(words))

    def word(s):
        return quote(text(s, empty=True)).decode()
    line("code", r.get("code.tree_sha256", ""))
    for arg in r.get("command.argv", ()):
        line("arg", word(arg))
    line("cwd", word(r.get("command.cwd", "")))
    if "command.stdin_id" in r:
        line("stdin", r["command.stdin_id"])
    for p in r.get("params.values", ()):
        line("param", word(p["name"]), word(p["value"]))
    for i in r.get("inputs", ()):
        if i["role"] == "input":
            line("input", word(i["path"]), i["id"])
    if "machine.spec" in r:
        line("machine", r["machine.spec"])
    for p in r.get("machine.env", ()):
        line("env", word(p["name"]), word(p["value"]))
    for p in r.get("determinism.seeds", ()):
        line("seed", word(p["name"]), word(p["value"]))
    return digest(("\n".join(lines) + "\n").encode())


def spilled(git, tree, r):
    """Put the lists beside the record back into it."""
    for member, part in SPILLED.items():
        if "spill." + member not in r:
            continue
        data = git.find(tree, member + ".json")
        check(data is not None and digest(data) == r["spill." + member], member + ".json")
        r[part] = canonical_json(data)
        type_ = fields()[part][0]
        check(r[part], "an empty list")
        if type_ == "objects":
            check_objects(r[part], r["kind"], part + "[].")
        else:
            TYPES[type_](r[part])
    check(len({len(id_) for id_ in git_ids(r)}) <= 1, "git ids of two lengths")


def check_pointer_of(item, data):
    kind, top, shards, selection = pointer(data)
    if kind == b"file":
        files, size, id_ = 1, top[1], top[0]
    else:
        files, size = sum(s[2] for s in shards), sum(s[3] for s in shards)
        id_ = shards[0][1] if shards[0][0] == b"." else None
    check(item.get("files", files) == files and item.get("bytes", size) == size, "totals of a pointer")
    check(id_ is None or parse_id(item["id"].encode()) == id_, "id of a pointer")
    check("query" not in item or (selection and selection["query"]), "selection")


def check_log(git, tree, r, name):
    if "logs.%s.id" % name not in r:
        return
    size, id_ = r["logs.%s.bytes" % name], r["logs.%s.id" % name]
    kept, whole = git.find(tree, name), git.find(tree, name + ".deepops")
    if whole is not None:
        check_pointer_of({"files": 1, "bytes": size, "id": id_}, whole)
    elif size:
        check(kept is not None and len(kept) == size and digest(kept) == id_, name)
    else:
        check(kept is None and parse_id(id_.encode()) == EMPTY, name)


def check_kept(git, tree, name, id_):
    """Bytes that stand in the tree themselves, or as a pointer."""
    kept, whole = git.find(tree, name), git.find(tree, name + ".deepops")
    if whole is not None:
        check_pointer_of({"files": 1, "id": id_}, whole)
    else:
        check(kept is not None and digest(kept) == id_ or parse_id(id_.encode()) == EMPTY, name)


def check_parts(git, tree, r):
    """Everything in the tree of a run's journal commit that the record names."""
    entries = git.tree(tree)
    if "code.tree" in r:
        check(entries.get(b"code", (0, 0, 0))[2] == r["code.tree"] and entries[b"code"][1] == "tree", "code")
        check(tree_hash(git, r["code.tree"], r.get("code.large", ())) == parse_id(
            r["code.tree_sha256"].encode()), "tree_sha256")
    if "code.commit" in r:
        raw = git.find(tree, "commit") or b""
        named = hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()
        check(named == r["code.commit"] and raw.startswith(b"tree %s\n" % r["code.base_tree"].encode()),
              "commit")
    for n, m in enumerate(r.get("code.modules", ())):
        if "tree" in m:
            kept = git.tree(entries[b"modules"][2]) if b"modules" in entries else {}
            check(kept.get(b"%d" % n, (0, 0, 0))[2] == m["tree"], "modules/%d" % n)
    for n, item in enumerate(r.get("code.filtered", ())):
        check_kept(git, tree, "filtered/%d" % n, item["id"])
    if "command.stdin_id" in r:
        check_kept(git, tree, "stdin", r["command.stdin_id"])
    for part in ("inputs", "outputs", "code.large"):
        for n, item in enumerate(r.get(part, ())):
            data = git.find(tree, "%s/%d" % (part.split(".")[-1], n))
            if data is not None:
                check_pointer_of(item, data)
            elif part == "inputs":
                raw = git.find(tree, "code/" + os.fsdecode(text(item["path"])))
                check(raw is not None and digest(raw) == item["id"], "inputs/%d" % n)
            else:
                check("id" not in item or r["kind"] == "rerun", "%s/%d" % (part, n))
    for key, name in (("machine.capture", "machine"), ("params.digest", "params.json"),
                      ("metrics.series", "metrics.tsv")):
        data = git.find(tree, name)
        check((data is not None) == (key in r), name)
        check(data is None or digest(data) == r[key], name)
        if data is not None and name == "machine":
            capture(data)
    for name in ("stdout", "stderr"):
        check_log(git, tree, r, name)
    check("recipe" not in r or recipe_digest(r) == r["recipe"], "recipe")


def journal(git, ref):
    """Number of records; every commit from the first to the tip."""
    writer = ref.rsplit("/", 1)[1]
    before = None
    n = 0
    shallow = git.run("rev-parse", "--is-shallow-repository").strip() == b"true"
    commits = git.run("rev-list", "--reverse", "--topo-order", ref).decode().split()
    writers = []
    for commit_ in commits:
        raw = git.read(commit_, "commit")
        parents = re.findall(rb"^parent (.{40})$", raw.split(b"\n\n")[0], re.M)
        check(len(parents) <= 1 and (n == 0) == (not parents) or shallow, "parents")
        tree = raw[5:45].decode()
        data = git.find(tree, "record.json")
        check(data is not None, "no record.json")
        r = record(data)
        spilled(git, tree, r)
        if before:
            check(r["prev"] == digest(before[0]) and r["seq"] == before[1]["seq"] + 1, "prev or seq")
            if r["kind"] == "fork":
                check((r["fork.writer"], r["fork.seq"]) == (before[1]["writer"], before[1]["seq"]), "fork")
            else:
                check(r["writer"] == before[1]["writer"], "writer")
        else:
            check(r["seq"] == 1 or shallow, "seq")
        if r["kind"] in ("run", "rerun"):
            check_parts(git, tree, r)
        before = data, r
        writers.append(r["writer"])
        n += 1
    check(writers and writers[-1] == writer, "another writer's")
    return n


def vector_journal(stream):
    with tempfile.TemporaryDirectory() as top:
        git = Git(top)
        git.run("init", "-q", "--bare")
        git.run("-c", "core.fsync=none", "fast-import", "--quiet", input=stream)
        refs = git.run("for-each-ref", "--format=%(refname)").decode().split()
        check(refs, "no journal")
        try:
            for ref in refs:
                check(re.fullmatch(r"refs/deepops/log/[0-9a-f]{16}", ref), "name of a journal")
                journal(git, ref)
        finally:
            git.close()


def run_git(path):
    """Pointers of all branches, journals and notes."""
    git = Git(path)
    counts = {"pointers": 0, "records": 0, "notes": 0}
    for ref in git.run("for-each-ref", "--format=%(refname)").decode().split():
        if re.fullmatch(r"refs/deepops/(remotes/.*/)?log/[0-9a-f]{16}", ref):
            counts["records"] += journal(git, ref)
        elif ref == "refs/notes/deepops":
            for line in git.run("notes", "--ref", ref, "list").decode().split("\n")[:-1]:
                for one in git.blob(line.split()[0]).split(b"\n")[:-1]:
                    check(one.startswith((b"Deepops-Runs: ", b"Deepops-Override: ")) or note(one + b"\n"), "note")
                    counts["notes"] += 1
        elif ref.startswith("refs/heads/"):
            for line in git.run("ls-tree", "-rz", ref).split(b"\0")[:-1]:
                meta, name = line.split(b"\t", 1)
                data = name.endswith(b".deepops") and git.blob(meta.split()[2].decode())
                if data:
                    pointer(data)
                    counts["pointers"] += 1
                elif name in (b".deepops/policy", b".deepops/config"):
                    (policy if name.endswith(b"policy") else config)(git.blob(meta.split()[2].decode()))
    git.close()
    return counts


# ---- a store ----

def run_store(path):
    with open(os.path.join(path, "format"), "rb") as f:
        store_format(f.read())
    db = sqlite3.connect(os.path.join(path, "catalogue.db"))
    cat = catalogue(db)
    db.close()
    packs, places = {}, {}
    for row in cat["pack"]:
        name = row["id"].hex()
        with open(os.path.join(path, "packs", name[:2], name + ".pack"), "rb") as f:
            data = f.read()
        id_, packs[row["id"]] = pack(data, crc=len(data) < MIB)
        check(id_ == row["id"] and row["entries"] == len(packs[id_]) and row["bytes"] == len(data), "pack")
    for row in cat["segment"]:
        with open(os.path.join(path, "segments", row["id"].hex() + ".seg"), "rb") as f:
            id_, table, rows = segment(f.read())
        check(id_ == row["id"] and row["entries"] == len(rows), "segment")
        for kind, chunk_, pack_, *where in rows:
            check(packs[table[pack_]][kind, chunk_][1] == tuple(where), "place of a chunk")
            places[kind, chunk_] = packs[table[pack_]][kind, chunk_][0]
    check(set(places) == {key for p in packs.values() for key in p}, "chunks of packs and segments")
    for (kind, id_), data in places.items():
        if kind == 3:
            check_recipe_of(id_, data, places)
    for row in cat["root"]:
        if row["state"] == 2:
            check(walk_root(row["kind"], row["id"], places) == (row["files"], row["bytes"]), "root")
    return {"packs": len(packs), "chunks": len(places), "roots": len(cat["root"])}


def check_recipe_of(id_, data, places):
    version, profile, size, entries = recipe(data)
    if version == 2:
        pieces, entries = entries, []
        for piece, n in pieces:
            raw = places[1, piece]
            check(len(raw) == 36 * n, "piece")
            entries += [(raw[i:i + 32], struct.unpack_from("<I", raw, i + 32)[0])
                        for i in range(0, len(raw), 36)]
        check_long_list(entries, pieces, size)
    content = b"".join(places[1, chunk_] for chunk_, _ in entries)
    check(sha256(content) == id_ and len(content) == size, "content of a recipe")
    check(all(len(places[1, chunk_]) == length for chunk_, length in entries), "lengths")
    if profile == 1 and size < 4 * MIB:
        check(cut(content) == [length for _, length in entries], "cuts")


def all_entries(id_, places):
    """Of a directory, through its parts."""
    out = []
    for e in node(places[2, id_]):
        out += all_entries(e[2], places) if e[1] == b"part" else [e]
    return out


def walk_root(kind, id_, places):
    """(files, bytes) below a root, everything being there"""
    if kind == 1:
        if id_ == EMPTY:
            return 1, 0
        return 1, recipe(places[3, id_])[2] if (3, id_) in places else len(places[1, id_])
    files = size = 0
    entries = node(places[2, id_])
    if entries and entries[0][1] == b"part":
        check(build_directory(all_entries(id_, places), {}) == id_, "a directory that is cut otherwise")
    for _, what, child, n_bytes, n_files, _ in entries:
        got = walk_root(2 if what in (b"node", b"part") else 1, child, places)
        check(got == (n_files, n_bytes), "sums of a node")
        files, size = files + n_files, size + n_bytes
    return files, size


VECTORS = {"catalogue": vector_catalogue, "node": node, "pointer": pointer, "recipe": vector_recipe, "chunker": vector_chunker,
           "zframe": vector_zframe, "pack": pack, "segment": segment, "frame": frame, "journal": vector_journal,
           "record": record, "capture": capture, "note": note, "policy": policy, "config": config,
           "format": store_format, "directory": vector_directory}


def run_vectors():
    bad = total = 0
    for name in sorted(os.listdir(HERE)):
        if "." in name or not os.path.isdir(os.path.join(HERE, name)):
            continue
        for vector in sorted(os.listdir(os.path.join(HERE, name))):
            with open(os.path.join(HERE, name, vector), "rb") as f:
                data = f.read()
            total += 1
            why = ""
            try:
                if name not in VECTORS:
                    raise KeyError(name)
                VECTORS[name](unhex(data) if vector.endswith(".hex") else data)
            except Refused as e:
                why = str(e)
            if vector.startswith("accept-") == bool(why):
                bad += 1
                print("%s/%s: %s" % (name, vector, why or "was accepted"))
    print("%d vectors, %d wrong" % (total, bad))
    return bad


def main(what, *paths):
    if what == "vectors":
        return run_vectors()
    bad = 0
    for path in paths:
        try:
            counts = {"store": run_store, "git": run_git}[what](path)
            print("%s: %s" % (path, ", ".join("%d %s" % (n, k) for k, n in counts.items())))
        except Refused as e:
            bad += 1
            print("%s: %s" % (path, e))
    return bad


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(1 if main(*sys.argv[1:]) else 0)
