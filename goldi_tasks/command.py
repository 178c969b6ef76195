"""`Command`: a program with its arguments and its environment, as a value."""

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
    environment. `secrets` is added too, and never shown.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """A line that can be pasted into a shell; secrets and passwords in addresses are masked."""
        env = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env.items())]
        env += [f"{name}=***" for name in sorted(self.secrets)]
        return mask(" ".join([*env, shlex.join(self.argv)]))


def hide(secrets: Iterable[str]) -> None:
    """From now on `mask` replaces these too, also where a program shows them encoded."""
    # What stands on several lines is shown line by line.
    for secret in {part for whole in secrets for part in (whole, *whole.splitlines())}:
        data = secret.encode(errors="surrogateescape")
        coded = {secret, quote(data, safe=""), json.dumps(secret)[1:-1], base64.b64encode(data).decode()}
        # What is shorter is in every other word.
        _hidden.update(it for it in coded if len(it) > 3)


def mask(text: str) -> str:
    """`text` with stars for what is hidden, and for the login of every `scheme://user:password@` and `http://token@`."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _TOKEN_IN_URL.sub(r"\1***@", _PASSWORD_IN_URL.sub(r"\1***@", text))
