"""Secrets that are planted wherever a machine keeps some, and the search for them, also encoded, where none may be."""

import base64
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

# What stands between the letters of a secret, by the form that it is planted in.
MARK = "cnry"
# How each secret begins, plain and in base64 behind 0, 1 and 2 other bytes: what has none of these has no secret.
BEGINNINGS = (MARK.encode(), b"Y25ye", b"Nucn", b"jbnJ5")
ODD = {"plain": "", "quoted": ' it\'s "x" ', "percent": "/@%+", "letters": "é", "lines": f"\n{MARK}", "equals": "=="}


@dataclass
class Canaries:
    """`values` are the secrets by the place that each was planted in."""

    values: dict[str, str] = field(default_factory=dict)

    def make(self, place: str, form: str = "plain") -> str:
        """Return a new secret for `place`."""
        value = f"{MARK}{secrets.token_hex(6)}{ODD[form]}{secrets.token_hex(6)}"
        self.values[place] = value
        return value

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Give each secret in each form that it could be met in, with its place."""
        for place, value in self.values.items():
            for part in {value, *value.split("\n")}:
                raw = part.encode()
                texts = {part, quote(part), quote(part, safe=""), quote(part, safe="").lower(), json.dumps(part)[1:-1]}
                yield from ((place, text.encode()) for text in texts)
                for before in range(3):
                    # The same letters, whatever stands before; the last ones depend on what comes after.
                    coded = base64.b64encode(b"\0" * before + raw)
                    middle = coded[4 if before else 0 : len(coded) // 4 * 4 - 4]
                    yield place, middle
                    yield place, middle.translate(bytes.maketrans(b"+/", b"-_"))

    def search(self, name: str, data: bytes) -> list[str]:
        """Return a sentence for each secret that is in `data`."""
        if not any(beginning in data for beginning in BEGINNINGS):
            return []
        found = {(place, form) for place, form in self.forms() if form in data}
        return [f"{place} in {name}: ...{_around(data, form)!r}" for place, form in sorted(found)]


def _around(data: bytes, form: bytes) -> bytes:
    at = data.index(form)
    return data[max(0, at - 60) : at + len(form) + 20]


@dataclass
class Watched:
    """The arguments of every process that was seen, and the names of files of ours that were read."""

    arguments: set[bytes] = field(default_factory=set)


@contextmanager
def watched() -> Iterator[Watched]:
    """See the arguments of all processes on this machine, those in containers too, while the block runs."""
    seen, over = Watched(), threading.Event()

    def look() -> None:
        known: set[str] = set()
        while not over.is_set():
            for name in os.listdir("/proc"):  # noqa: PTH208 - twenty times a second
                if name.isdigit() and name not in known:
                    with suppress(OSError):
                        line = Path("/proc", name, "cmdline").read_bytes()
                        seen.arguments.add(line)
                        # A fork has its parent's until it becomes another program.
                        if line and time.time() - Path("/proc", name).stat().st_ctime > 1:
                            known.add(name)
            time.sleep(0.05)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def shim(folder: Path, programs: Iterable[str], log: Path) -> None:
    """Put programs into `folder` that write their arguments to `log` and become the real ones."""
    folder.mkdir(parents=True)
    for program in programs:
        name = Path(program).name
        file = folder / name
        file.write_text(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\" >>'{log}'\nexec '{program}' \"$@\"\n")
        file.chmod(0o755)


def plant(canaries: Canaries, home: Path, choose: Callable[[str], Path]) -> dict[str, str]:
    """Write a user's files with secrets into `home`, and return an environment with more of them.

    `choose` gives the path of a file of the project.
    """
    make = canaries.make

    def percent(place: str, form: str = "percent") -> str:
        return quote(make(place, form), safe="")

    (home / ".config/uv").mkdir(parents=True)
    (home / ".config/pip").mkdir()
    (home / ".docker/contexts/tls/x").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text(
        f"[global]\nindex-url = https://me:{percent('pip.conf')}@pip.invalid/simple\n"
        f"proxy = http://{make('pip.conf, proxy')}@proxy.invalid:3128\n"
    )
    (home / ".config/uv/uv.toml").write_text(
        f'[[index]]\nname = "corp"\nurl = "https://me:{percent("uv.toml", "letters")}@uv.invalid/simple"\n'
    )
    password = base64.b64encode(make("npmrc, password", "letters").encode()).decode()
    (home / ".npmrc").write_text(
        f"https-proxy=\n//npm.invalid/:_authToken={make('npmrc, token')}\n"
        f"//other.invalid/:username=me\n//other.invalid/:_password={password}\n"
        f'//third.invalid/:_authToken="{make("npmrc, quoted", "equals")}"\n'
        "//fourth.invalid/:_authToken=${FOURTH_TOKEN}\n"
    )
    (home / ".netrc").write_text(
        f"machine pip.invalid login me password {make('netrc', 'equals')}\n"
        f"machine unused.invalid login me password {make('netrc, unused')}\n"
    )
    (home / ".netrc").chmod(0o600)
    (home / ".gitconfig").write_text(
        f"[http]\n\tproxy = http://me:{percent('git, proxy')}@proxy.invalid:3128\n"
        f'\textraHeader = "Authorization: basic {make("git, header")}"\n'
        f'[url "https://{make("git, insteadOf")}@git.invalid/"]\n\tinsteadOf = https://git.invalid/\n'
    )
    (home / "apt.conf").write_text(f'Acquire::http::Proxy "http://me:{percent("apt.conf")}@proxy.invalid:3128";\n')
    auth = base64.b64encode(f"me:{make('docker, login', 'letters')}".encode()).decode()
    (home / ".docker/config.json").write_text(json.dumps({"auths": {"registry.invalid": {"auth": auth}}}))
    (home / ".docker/contexts/tls/x/key.pem").write_text(make("docker, context's key", "lines"))
    choose("frontend/.npmrc").write_text("//project.invalid/:_authToken=${PROJECT_TOKEN?}\n")
    choose("secrets/database-password").write_text(make("compose secret", "quoted"))
    choose("secrets/file-secret").write_text(make("build secret, file", "lines"))
    return {
        "HOME": str(home),
        "APT_CONFIG": str(home / "apt.conf"),
        "http_proxy": f"http://me:{percent('proxy')}@proxy.invalid:3128",
        "HTTPS_PROXY": f"http://{make('proxy, token')}@proxy.invalid:3128",
        "NO_PROXY": "127.0.0.1,localhost",
        "PIP_EXTRA_INDEX_URL": f"https://me:{make('pip, variable', 'letters')}@extra.invalid/simple",
        "UV_INDEX_CORP_PASSWORD": make("uv, variable", "quoted"),
        "FOURTH_TOKEN": make("npm, variable"),
        "PROJECT_TOKEN": make("npm, the project's"),
        "GOLDI_DEBIAN_MIRROR": f"http://me:{percent('apt, mirror')}@apt.invalid/debian",
        "AWS_SECRET_ACCESS_KEY": make("environment", "percent"),
        "OWN_SECRET": make("build secret, variable", "quoted"),
        "SESSION_PASSWORD": make("session's variable", "lines"),
    }


def texts(folder: Path, but: Iterable[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Give every file below `folder`, except for those in `but`, and every name."""
    left = set(but)
    for file in sorted(folder.rglob("*")):
        yield f"the name {file}", os.fsencode(file)
        if file.is_file() and not file.is_symlink() and not left & {file, *file.parents}:
            with suppress(OSError):
                yield str(file), file.read_bytes()


def decoded(said: str) -> str:
    """Return `said` with what raw JSON progress has in base64 beside it."""
    parts = [base64.b64decode(data).decode(errors="replace") for data in re.findall(r'"data": ?"([^"]+)"', said)]
    return "\n".join([said, *parts])
