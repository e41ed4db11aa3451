#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Unpack Fashion-MNIST into a data directory as people keep one.

    unpack.py [--source DIR] [--train N] [--test N] TARGET

TARGET/idx/ gets the four IDX files, uncompressed (55 MB); TARGET/images/ gets the
first N images of each part as one PGM file each, in a directory per class
(images/train/7-sneaker/00006.pgm).  Needs nothing but Python.  The source is Debian's
package dataset-fashion-mnist.
"""

import argparse
import gzip
import os
import struct

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat",
           "sandal", "shirt", "sneaker", "bag", "ankle-boot")
PARTS = (("train", "train"), ("test", "t10k"))


def read_gz(path):
    with gzip.open(path, "rb") as f:
        return f.read()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def unpack(source, target, part, prefix, count):
    images = read_gz(os.path.join(source, prefix + "-images-idx3-ubyte.gz"))
    labels = read_gz(os.path.join(source, prefix + "-labels-idx1-ubyte.gz"))
    write(os.path.join(target, "idx", prefix + "-images-idx3-ubyte"), images)
    write(os.path.join(target, "idx", prefix + "-labels-idx1-ubyte"), labels)

    magic, total, rows, cols = struct.unpack(">IIII", images[:16])
    if magic != 2051 or len(images) != 16 + total * rows * cols:
        raise SystemExit(prefix + ": not an IDX file of images")
    header = b"P5\n%d %d\n255\n" % (cols, rows)
    size = rows * cols
    for i in range(min(count, total)):
        name = os.path.join(target, "images", part, "%d-%s" % (labels[8 + i], CLASSES[labels[8 + i]]),
                            "%05d.pgm" % i)
        write(name, header + images[16 + i * size:16 + (i + 1) * size])
    return min(count, total)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--source", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--train", type=int, default=4000, metavar="N")
    parser.add_argument("--test", type=int, default=1000, metavar="N")
    parser.add_argument("target", metavar="TARGET")
    args = parser.parse_args()
    n = sum(unpack(args.source, args.target, part, prefix, getattr(args, part))
            for part, prefix in PARTS)
    print("%s: 4 IDX files and %d images" % (args.target, n))


if __name__ == "__main__":
    main()
