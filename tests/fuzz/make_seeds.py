#!/usr/bin/env python3
"""Makes the seeds of the targets whose inputs are edits: one for each field of docs/format.md, with
values at its borders. Files of other names in the corpora are left alone. make_seeds.py CORPUS"""
import os
import struct
import sys

# offset, width: what a row of each section holds, and how long the row is
INDEX_FIELDS = {
    0: (0, [(0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (24, 1)]),  # hash function
    1: (64, [(0, 8), (16, 4), (20, 4), (24, 2), (26, 2), (28, 1), (29, 1), (30, 1), (32, 8),
             (40, 8), (48, 4), (52, 4), (56, 4), (61, 1)]),  # entries
    2: (32, [(0, 8), (8, 8), (16, 4), (20, 4), (29, 1)]),  # representations
    3: (16, [(0, 4), (4, 2), (6, 2)]),  # heads
    5: (48, [(0, 4), (4, 4), (8, 4), (12, 4), (16, 2), (18, 2), (20, 2), (22, 2), (24, 4), (28, 2),
             (30, 1), (31, 1), (32, 1)]),  # rules
    6: (0, [(12, 4), (32, 8), (40, 8), (56, 8), (64, 4), (68, 4), (72, 4), (76, 4), (80, 4),
            (84, 4), (88, 8), (96, 4), (100, 4), (136, 8), (144, 8), (168, 8), (176, 8)]),
}
RECORD_FIELDS = [(4, 1), (5, 1), (6, 1), (8, 4), (16, 8), (48, 8)]
COMMIT_FIELDS = [(64, 8), (72, 8), (80, 8), (88, 8), (104, 8)]
PATHS = [b"", b"../up", b"/top", b"a/../../b", b"a//b", b"a\0b", b"\xff", b"folder/", b"index.html",
         b"index.html/below", b"_redirects", b"_headers", b"404.html", b"x" * 20]
PAYLOADS = [b"", b"overlay\n", b"urls=slash\n", b"spa=index.html\n", b"no-such-option\n",
            b"/* /index.html 200\n", b"/a/:b/* /:splat/:b 301!\n", b"/*\n  X: y\n  ! Z\n"]


def edit_number(place, width, value):
    """An edit as part_edit() of samples.c takes it."""
    operation = {1: 0, 2: 1, 4: 2, 8: 3}[width]
    return (bytes([operation]) + struct.pack("<I", place)[:3]
            + struct.pack("<Q", value % (1 << 8 * width))[:width])


def borders(width):
    return (0, (1 << 8 * width) - 1) if width < 8 else (64, (1 << 64) - 1)


def index_seeds():
    number = 0
    for part, (row_bytes, fields) in INDEX_FIELDS.items():
        for place, width in fields:
            for value in borders(width):
                number += 1
                base = number % 3 + 8 * (number % 2)  # a packed release; with files or without
                row = number % 4 * row_bytes
                yield f"{part}-{place}-{value:x}", bytes([base, part]) + edit_number(
                    row + place, width, value)
    for part in INDEX_FIELDS:
        yield f"cut-{part}", bytes([part % 8, part, 6]) + b"\x10\0\0" + b"\x40\0\0"
        yield f"copy-{part}", bytes([part % 8, part, 12]) + b"\0\0\0" + b"\0\0\0\x40"


def archive_seeds():
    number = 0
    for record in range(0, 22, 4):
        for place, width in RECORD_FIELDS + COMMIT_FIELDS:
            number += 1
            value = borders(width)[number % 2]
            first = number % 8 << 5 | (4 if place >= 64 else 0) | number % 3
            yield f"{record}-{place}", bytes([first, 6, record]) + edit_number(place, width, value)
        for count in 0x800, 0x1800, 0x2800:  # a payload that ends behind the file, not its length
            yield f"long-{record}-{count:x}", bytes([0, 6, record]) + edit_number(16, 8, count)
        yield f"cut-{record}", bytes([record % 8 << 5, 2, record])
        yield f"copy-{record}", bytes([(record + 3) % 8 << 5, 1, record, record * 7 % 22])
    for operation, texts in (3, PATHS), (4, PAYLOADS):
        for text in texts:
            number += 1
            action = (1, 2, 4, 6)[number % 4]
            yield f"text-{operation}-{number}", bytes(
                [action << 5, operation, number % 22, len(text)]) + text


def main():
    for name, seeds in ("index", index_seeds()), ("archive", archive_seeds()):
        for label, seed in seeds:
            with open(os.path.join(sys.argv[1], name, f"seed-{label}"), "wb") as file:
                file.write(seed)


main()
