import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from goldi_tasks import process
from goldi_tasks.bake import saved_image
from goldi_tasks.command import Command
from goldi_tasks.errors import CommandFailed

LAYER = {"app/": b"", "app/a.py": b"x" * 3000, "var/lib/dpkg/info/libc6:amd64.list": b"/usr/lib/libc.so\n"}
# `zstd` of b"goldi" * 1000.
ZSTD = bytes.fromhex("28b52ffd00586d000028676f6c646901008083be6801")


def unpacked(content: bytes) -> bytes:
    return saved_image.unpacked(io.BufferedReader(io.BytesIO(content))).read()


def packed(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A tar archive; a name with a slash at its end is a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            made.addfile(member)
    return out.getvalue()


def saved(layers: dict[str, bytes], config: dict[str, Any], links: dict[str, str] | None = None) -> io.BytesIO:
    """What `docker save` gives: the manifest is not the first."""
    manifest = [{"Config": "blobs/sha256/c", "Layers": [*layers, *(links or {})]}]
    texts = {"blobs/sha256/c": config, "index.json": {}, "manifest.json": manifest}
    return io.BytesIO(packed(layers | {name: json.dumps(text).encode() for name, text in texts.items()}, links))


def history(*said: str) -> dict[str, Any]:
    return {"history": [{"created_by": text} for text in said] + [{"created_by": "ENV A=1", "empty_layer": True}]}


def test_layers_plain_and_gzip() -> None:
    plain = packed(LAYER)
    small = gzip.compress(plain)
    found = saved_image.parse(saved({"blobs/1": plain, "blobs/2": small}, history("COPY a /b # buildkit", "CMD")))
    assert found.made_by == ("COPY a /b", "CMD")
    assert [(layer.stored, layer.unpacked) for layer in found.layers] == [(len(plain),) * 2, (len(small), len(plain))]
    for layer in found.layers:
        assert layer.files == {name: len(content) for name, content in LAYER.items() if not name.endswith("/")}
        assert layer.owners == {"usr/lib/libc.so": "libc6"}


def test_an_equal_layer_of_an_older_engine_is_a_link() -> None:
    found = saved_image.parse(saved({"1/layer.tar": packed(LAYER)}, {}, {"2/layer.tar": "../1/layer.tar"}))
    assert found.layers[0] == found.layers[1]
    assert found.made_by == ("", "")


def test_zstd() -> None:
    assert unpacked(ZSTD) == b"goldi" * 1000
    assert unpacked(ZSTD + ZSTD) == b"goldi" * 2000, "one frame after the other"


def test_a_damaged_layer_is_an_error_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def save(command: Command) -> Iterator[io.BytesIO]:
        yield saved({"blobs/1": ZSTD[:4] + b"\xff" * 20}, {})

    monkeypatch.setattr(process, "pipe", save)
    with pytest.raises(CommandFailed, match="cannot be read"):
        saved_image.read("three-bears")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("RUN /bin/sh -c a   && b # buildkit", "RUN a && b"),
        ("RUN |2 A=1 B=c d /bin/sh -c echo $A # buildkit", "RUN echo $A"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("mmdebstrap", "mmdebstrap"),
    ],
)
def test_instructions_are_shown_as_they_were_written(said: str, shown: str) -> None:
    assert saved_image.instructions(history(said), 1) == (shown,)
