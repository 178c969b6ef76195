"""Write the headers of a tar archive so that an entry always has the same header, byte by byte.

So a restore parses no tar header: it compares each with the one that it computes from the manifest. The format is
POSIX pax, which every tar can list.
"""

from goldi_tasks.maintenance.archive.archive_manifest import Entry

BLOCK = 512
END = bytes(2 * BLOCK)
_TYPES = {"f": b"0", "d": b"5", "l": b"2"}


def head(name: str, entry: Entry) -> bytes:
    """Return the tar header of `entry`, whose name in the archive is `name`, with a pax header before it if needed."""
    fields = {"path": name, "linkpath": entry.target, "size": str(entry.size), "mtime": str(entry.mtime)}
    fits = {"path": _fits(name), "linkpath": _fits(entry.target), "size": entry.size < 8**11}
    fits["mtime"] = entry.mtime < 8**11
    records = b"".join(_format_record(key, value) for key, value in fields.items() if not fits[key])
    pax_header = b""
    if records:
        pax_header = _format_block("pax", b"x", 0o644, len(records), 0, "", 0, 0) + records + padding(len(records))
    numbers = (entry.mode, entry.size if fits["size"] else 0, entry.mtime if fits["mtime"] else 0)
    return pax_header + _format_block(name, _TYPES[entry.kind], *numbers, entry.target, entry.uid, entry.gid)


def padding(size: int) -> bytes:
    """Return the null bytes that fill the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def _fits(text: str) -> bool:
    return text.isascii() and len(text) <= 100


def _format_record(key: str, value: str) -> bytes:
    """Return a record of a pax header, which begins with its own length."""
    rest = b" " + key.encode() + b"=" + value.encode() + b"\n"
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _format_block(name: str, kind: bytes, mode: int, size: int, mtime: int, target: str, uid: int, gid: int) -> bytes:
    fields = (
        name.encode()[:100].ljust(100, b"\0"),
        *(_format_octal(number, 8) for number in (mode & 0o7777, uid & 0o7777777, gid & 0o7777777)),
        *(_format_octal(number, 12) for number in (size, mtime)),
        b" " * 8,
        kind,
        target.encode()[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(32 + 32 + 8 + 8 + 155 + 12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _format_octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)
