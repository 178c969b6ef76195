"""The headers of a tar archive, written always alike: who knows an entry knows its header to the byte.

So nothing of an archive that is restored is parsed: what comes is compared with what the manifest says has to come. The
form is POSIX pax; any tar lists it.
"""

from goldi_tasks.maintenance.archive.archive_manifest import Entry

BLOCK = 512
END = bytes(2 * BLOCK)
_TYPES = {"f": b"0", "d": b"5", "l": b"2"}


def head(name: str, entry: Entry) -> bytes:
    """What stands before the content of `entry`, which is called `name` in the archive."""
    said = {"path": name, "linkpath": entry.target, "size": str(entry.size), "mtime": str(entry.mtime)}
    plain = {"path": _fits(name), "linkpath": _fits(entry.target), "size": entry.size < 8**11}
    plain["mtime"] = entry.mtime < 8**11
    records = b"".join(_record(key, value) for key, value in said.items() if not plain[key])
    before = b""
    if records:
        before = _block("pax", b"x", 0o644, len(records), 0, "", 0, 0) + records + padding(len(records))
    numbers = (entry.mode, entry.size if plain["size"] else 0, entry.mtime if plain["mtime"] else 0)
    return before + _block(name, _TYPES[entry.kind], *numbers, entry.target, entry.uid, entry.gid)


def padding(size: int) -> bytes:
    """What fills the last block of a content of `size` bytes."""
    return bytes(-size % BLOCK)


def _fits(text: str) -> bool:
    return text.isascii() and len(text) <= 100


def _record(key: str, value: str) -> bytes:
    """A record of an extended header, which begins with its own length."""
    rest = b" " + key.encode() + b"=" + value.encode() + b"\n"
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _block(name: str, kind: bytes, mode: int, size: int, mtime: int, target: str, uid: int, gid: int) -> bytes:
    fields = (
        name.encode()[:100].ljust(100, b"\0"),
        *(_octal(number, 8) for number in (mode & 0o7777, uid & 0o7777777, gid & 0o7777777)),
        *(_octal(number, 12) for number in (size, mtime)),
        b" " * 8,
        kind,
        target.encode()[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(32 + 32 + 8 + 8 + 155 + 12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)
