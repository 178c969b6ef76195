"""Represent a program with its arguments and environment as a value, `Command`, and mask secrets in text."""

import base64
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_PASSWORD_IN_URL = re.compile(r"(://[^/@\s:]*:)[^/\s]+@")
_TOKEN_IN_URL = re.compile(r"(https?://)[^/@\s:]+@")
_hidden: set[str] = set()


@dataclass(frozen=True)
class Command:
    """A program to run.

    `argv` is the program and its arguments, never a shell line. `env` is added to the caller's
    environment; so is `secrets`, which is never printed.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Return a line that can be pasted into a shell; secrets and passwords in addresses are masked."""
        env = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env.items())]
        env += [f"{name}=***" for name in sorted(self.secrets)]
        return mask(" ".join([*env, shlex.join(self.argv)]))


def hide(secrets: Iterable[str]) -> None:
    """Let `mask` replace these too from now on, also where a program prints them URL-, JSON- or base64-encoded."""
    # A secret of several lines may be printed line by line.
    for secret in {line for text in secrets for line in (text, *text.splitlines())}:
        data = secret.encode(errors="surrogateescape")
        encodings = {secret, quote(data, safe=""), json.dumps(secret)[1:-1], base64.b64encode(data).decode()}
        # Shorter texts are part of ordinary words.
        _hidden.update(encoding for encoding in encodings if len(encoding) > 3)


def mask(text: str) -> str:
    """Return `text` with stars for hidden secrets and for logins as in `scheme://user:password@` and `http://token@`."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _TOKEN_IN_URL.sub(r"\1***@", _PASSWORD_IN_URL.sub(r"\1***@", text))
