"""What runs as `docker ARGUMENTS` in place of docker: it writes the call down and answers as it was told.

Tests start it thousands of times, so it imports next to nothing: what it is told is marshalled, what it notes are
Python's literals.
"""

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


def main(folder: str, argv: "list[str]") -> int:
    """Be docker: write the call down, answer it."""
    kept = ("GOLDI_", "DOCKER_", "BUILDX_", "KUBECONFIG")
    shown = {name: value for name, value in os.environ.items() if name.startswith(kept) or name.endswith("_IMAGE")}
    _note(folder, {"argv": argv, "env": shown, "cwd": os.getcwd(), "pid": os.getpid()})
    with open(f"{folder}/answers", "rb") as file:
        answers = marshal.load(file)  # noqa: S302 - the test wrote it
    asked = max((key for key in answers if words(argv)[: len(key.split())] == key.split()), key=len, default="")
    answer = answers.get(asked, {})
    if "sleep" in answer:
        _sleep(folder, answer["sleep"])
    if "metadata" in answer:
        import json

        with open(argv[argv.index("--metadata-file") + 1], "w", encoding="utf-8") as told:
            json.dump(answer["metadata"], told)
    sys.stdout.write(answer.get("stdout", ""))
    sys.stderr.write(answer.get("stderr", ""))
    if "hold" in answer:
        sys.stderr.flush()
        _sleep(folder, answer["hold"])
    code = answer.get("code", 0)
    if isinstance(code, list):
        code = code[_count(folder, asked.split()) - 1]
    if code == 0 and words(argv) == ["buildx", "keep"]:
        _export(argv)
    return int(code)


def words(argv: "list[str]") -> "list[str]":
    """What is asked: `buildx print` is bake that only prints, `buildx keep` bake that only exports a cache."""
    if "--print" in argv:
        return ["buildx", "print"]
    return ["buildx", "keep"] if "*.output=type=cacheonly" in argv else argv


def _export(argv: "list[str]") -> None:
    """The smallest cache that is one, where each target is told to export to."""
    import json

    for word in argv:
        if ".cache-to=" in word:
            place = word.partition("dest=")[2].rstrip('"')
            os.makedirs(f"{place}/blobs/sha256", exist_ok=True)
            manifest = json.dumps({"layers": [_blob(place, b"layer")]}).encode()
            index = json.dumps({"manifests": [_blob(place, manifest)]})
            with open(f"{place}/index.json", "w", encoding="utf-8") as file:
                file.write(index)


def _blob(place: str, content: bytes) -> "dict[str, Any]":
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    with open(f"{place}/blobs/sha256/{digest}", "wb") as file:
        file.write(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def _count(folder: str, asked: "list[str]") -> int:
    """How many calls began with `asked`, this one included."""
    from ast import literal_eval

    with open(f"{folder}/log", encoding="utf-8") as file:
        entries = map(literal_eval, file)
        return sum(words(entry.get("argv", []))[: len(asked)] == asked for entry in entries)


def _sleep(folder: str, seconds: float) -> None:
    import signal
    import time

    def interrupted(number: int, frame: "FrameType | None") -> None:
        _note(folder, {"signal": signal.Signals(number).name, "pid": os.getpid()})
        sys.exit(130)

    signal.signal(signal.SIGINT, interrupted)
    _note(folder, {"ready": os.getpid()})
    time.sleep(seconds)


def _note(folder: str, entry: "dict[str, Any]") -> None:
    handle = os.open(f"{folder}/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (repr(entry) + "\n").encode())
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
