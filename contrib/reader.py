#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""reader.py - get a dataset out of a store without git-deepops

    python3 contrib/reader.py STORE POINTER DIRECTORY

STORE is .git/deepops of a clone or <repository>/deepops of a server, POINTER a
committed `<path>.deepops` file, DIRECTORY where the files go; it must not exist.

Written from gitformat-deepops-store(5) and gitformat-deepops-pointer(5) alone, it
shares nothing with the C code: it is the promise that what was stored can be read in
many years by whoever has these two pages.  It reads the packs' own directories, neither
segments nor catalogue, and believes nothing: every node, chunk and file is compared with
its SHA-256.  Needs Python 3.8 and, for compressed chunks, any of the module `zstandard`,
the library libzstd, or the command `zstd`.
"""
import ctypes
import hashlib
import os
import re
import struct
import subprocess
import sys

DATA, NODE, RECIPE = 1, 2, 3
RAW, ZSTD = 0, 1
CHUNK_MAX = 1 << 20
EMPTY = hashlib.sha256(b"").digest()


class Refused(Exception):
    pass


def check(good, what):
    if not good:
        raise Refused(what)


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- zstd, whichever is there ----

def find_zstd():
    try:
        import zstandard
        return lambda data, size: zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except ImportError:
        pass
    for name in ("libzstd.so.1", "libzstd.so", "libzstd.1.dylib"):
        try:
            decompress = ctypes.CDLL(name).ZSTD_decompress
        except OSError:
            continue
        decompress.restype = ctypes.c_size_t
        decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

        def with_library(data, size):
            out = ctypes.create_string_buffer(size)
            got = decompress(out, size, data, len(data))
            check(got == size, "a zstd frame that does not decode")
            return out.raw
        return with_library
    return lambda data, size: subprocess.run(
        ["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


class Store:
    """The chunks of every pack, by kind and id."""

    def __init__(self, path):
        with open(os.path.join(path, "format"), encoding="ascii") as f:
            lines = f.read().split("\n")
        check(lines[0] == "deepops-store 1", "not a version 1 store")
        check(lines[4] == "incompatible", "store needs features this reader lacks: " + lines[4])
        self.places = {}
        self.zstd = find_zstd()
        for folder, _, names in os.walk(os.path.join(path, "packs")):
            for name in sorted(names):
                if name.endswith(".pack"):
                    self.read_directory(os.path.join(folder, name))

    def read_directory(self, path):
        with open(path, "rb") as f:
            header = f.read(28)
            size = f.seek(0, os.SEEK_END)
            f.seek(size - 40)
            offset, = struct.unpack("<Q", f.read(8))
            f.seek(offset)
            footer = f.read()
        check(header[:12] == b"DOPSPACK\1\0\0\0", path + ": not a version 1 pack")
        check(sha256(header + footer[:-32]) == footer[-32:], path + ": damaged footer")
        check(os.path.basename(path) == footer[-32:].hex() + ".pack", path + ": wrong name")
        magic, n = struct.unpack_from("<4sI", footer)
        check(magic == b"DOPF" and len(footer) == 8 + 52 * n + 40, path + ": damaged footer")
        for i in range(n):
            kind, encoding, _, id_, at, stored, plain, _ = struct.unpack_from(
                "<BBH32sIIII", footer, 8 + 52 * i)
            self.places.setdefault((kind, id_), []).append((path, at, encoding, stored, plain))

    def load(self, kind, id_):
        """The plain bytes, verified (a recipe's by whoever assembles it); of any good copy."""
        why = "is not in the store"
        for path, at, encoding, stored, plain in self.places.get((kind, id_), ()):
            try:
                with open(path, "rb") as f:
                    f.seek(at)
                    header, payload = f.read(52), f.read(stored)
                check(header[:4] == b"DOPE" and header[4] == kind and header[8:40] == id_,
                      "is damaged in " + path)
                check(encoding in (RAW, ZSTD) and 0 < plain <= CHUNK_MAX, "has an unknown encoding")
                data = payload if encoding == RAW else self.zstd(payload, plain)
                check(len(data) == plain and (kind == RECIPE or sha256(data) == id_),
                      "is damaged in " + path)
                return data
            except (Refused, OSError, subprocess.CalledProcessError) as e:
                why = str(e)
        raise Refused("chunk %d/%s %s" % (kind, id_.hex(), why))

    def file(self, id_):
        """The content of a file, chunk by chunk."""
        if id_ == EMPTY:
            return
        if (RECIPE, id_) not in self.places:
            yield self.load(DATA, id_)
            return
        recipe = self.load(RECIPE, id_)
        magic, version, _, _, n = struct.unpack_from("<4sHHQI", recipe)
        check(magic == b"DOPR" and version in (1, 2) and len(recipe) == 20 + 36 * n,
              "malformed recipe of " + id_.hex())
        entries = [recipe[20 + 36 * i:56 + 36 * i] for i in range(n)]
        for entry in entries:
            data = self.load(DATA, entry[:32])
            if version == 1:
                yield data
            else:  # a piece of a long list
                for i in range(0, len(data), 36):
                    yield self.load(DATA, data[i:i + 32])


# ---- names ----

ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f",
           b"r": b"\r", b'"': b'"', b"\\": b"\\"}


def unquote(name):
    """git's C-quoting, undone."""
    if not name.startswith(b'"'):
        return name
    check(len(name) > 1 and name.endswith(b'"'), "malformed name")
    return re.sub(rb"\\([0-7]{3}|.)", lambda m: ESCAPES.get(m[1]) or bytes([int(m[1], 8)]), name[1:-1])


# What HFS+ leaves out of a name when it compares it.
IGNORABLE = re.compile(b"\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf")
# What NTFS takes for .git; a backslash is a slash to it.
NTFS_DOTGIT = re.compile(rb"(?:.*\\)?(?:\.git|git~1)[ .]*(?:[:\\].*)?", re.I | re.S)


def is_dotgit(part):
    return IGNORABLE.sub(b"", part).lower() == b".git" or NTFS_DOTGIT.fullmatch(part)


def check_path(path):
    for part in path.split(b"/"):
        check(part not in (b"", b".", b"..") and not is_dotgit(part) and b"\0" not in part
              and len(part) <= 255, "unsafe name %r" % path)


def parse_id(text):
    check(re.fullmatch(rb"sha256:[0-9a-f]{64}", text), "malformed id %r" % text)
    return bytes.fromhex(text[7:].decode("ascii"))


def parse_node(text):
    lines = text.split(b"\n")
    check(lines[0] == b"deepops-node 1" and lines[-1] == b"", "malformed node")
    for line in lines[1:-1]:
        mode, kind, id_, size, _, name = line.split(b" ", 5)
        name = unquote(name)
        check_path(name)
        check(b"/" not in name, "unsafe name %r" % name)
        yield int(mode, 8), kind, parse_id(id_), int(size), name


def parse_pointer(text):
    """(name, {key: value}) of each section."""
    sections = []
    for line in text.split(b"\n")[:-1]:
        header = re.fullmatch(rb'\[([a-z]+)(?: "((?:[^"\\]|\\.)*)")?\]', line, re.S)
        if header:
            name = re.sub(rb"\\(.)", rb"\1", header[2] or b"", flags=re.S)
            sections.append((header[1], unquote(name), {}))
        else:
            check(line.startswith(b"\t") and b" = " in line and sections, "malformed pointer")
            key, value = line[1:].split(b" = ", 1)
            sections[-1][2][key] = value
    check(sections and sections[0][0] == b"deepops" and sections[0][2].get(b"version") == b"1",
          "not a version 1 pointer")
    return sections


# ---- writing ----

class Writer:
    def __init__(self, store, top):
        self.store, self.top, self.links = store, os.fsencode(top), []
        self.files = self.bytes = 0
        os.mkdir(self.top)

    def tree(self, id_, path):
        for mode, kind, child, size, name in parse_node(self.store.load(NODE, id_)):
            at = path + b"/" + name if path else name
            if kind == b"node":
                os.makedirs(os.path.join(self.top, at), exist_ok=True)
                self.tree(child, at)
            elif kind == b"part":
                self.tree(child, path)
            elif kind == b"link":
                self.links.append((b"".join(self.store.file(child)), at))
            else:
                check(kind == b"file", "unknown kind %r" % kind)
                self.file(child, size, mode, at)

    def file(self, id_, size, mode, path):
        target = os.path.join(self.top, path)
        sha, done = hashlib.sha256(), 0
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode & 0o777)
        with open(fd, "wb") as f:
            for data in self.store.file(id_):
                sha.update(data)
                done += len(data)
                f.write(data)
        check(sha.digest() == id_ and done == size, "%r is not what the dataset names" % path)
        self.files += 1
        self.bytes += done

    def finish(self):
        """Links last: nothing is ever written through one."""
        for target, path in self.links:
            os.symlink(target, os.path.join(self.top, path))
            self.files += 1
            self.bytes += len(target)


def extract(store_path, pointer_path, top):
    with open(pointer_path, "rb") as f:
        sections = parse_pointer(f.read())
    writer = Writer(Store(store_path), top)
    for kind, name, values in sections[1:]:
        if kind == b"content":
            base = re.sub(rb"\.deepops$", b"", os.path.basename(os.fsencode(pointer_path)))
            writer.file(parse_id(values[b"id"]), int(values[b"bytes"]), int(values[b"mode"], 8), base)
        elif kind == b"shard":
            # "." and "/" are the root, "a/b" a directory, "a/" the files directly in a
            path = b"" if name in (b".", b"/") else name.rstrip(b"/")
            if path:
                check_path(path)
                os.makedirs(os.path.join(writer.top, path), exist_ok=True)
            before = writer.files + len(writer.links)
            writer.tree(parse_id(values[b"id"]), path)
            check(writer.files + len(writer.links) - before == int(values[b"files"]),
                  "shard %r has another number of files" % name)
    writer.finish()
    print("%d files, %d bytes, all verified" % (writer.files, writer.bytes))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        extract(*sys.argv[1:])
    except (Refused, OSError) as error:
        sys.exit("reader.py: %s" % error)
