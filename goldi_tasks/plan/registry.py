"""What a registry has against a push or a pull, read from what buildx says of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Seconds before each further try of a push. BuildKit itself goes on for 8 s after a 5xx, and for 1 s after a 429.
DELAYS = (1.0, 4.0, 16.0)

# How the names of the images begin that `engine.up` makes.
MADE = "localhost/goldi/"
_OF_A_PULL = ("refused", "busy", "dead", "cut")
_ERROR = re.compile(r"^ERROR: (?:target \S+: )?(?:failed to solve: )?(?P<said>.*)")
_PUSH = re.compile(r"failed to push (?P<name>\S+?): (?P<said>.*)")
_PULL = re.compile(r"(?P<name>\S+?): failed to (?:resolve source metadata|authorize|copy)")
_URL = re.compile(r"https?://(?P<host>[^/\s\"]+)/v2/")
_DIAL = re.compile(r"dial tcp:? (?:lookup )?(?P<end>.*)")
# In this order: a refusal may come with a text that fits another.
_KINDS = {
    "refused": r"\b40[13] |unauthorized|insufficient_scope|denied|no basic auth credentials|authorization failed",
    "busy": r"\b429 |toomanyrequests",
    "broken": r"\b5\d\d [A-Z]",
    "plain": r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake",
    "untrusted": r"x509:|failed to verify certificate",
    "dead": r"connection refused|no such host|no route to host|network is unreachable",
    "cut": r"connection reset|timeout|EOF|broken pipe|deadline exceeded",
}
_STATUS = re.compile(r"\b[45]\d\d [A-Z][A-Za-z ]+")


@dataclass(frozen=True)
class Trouble:
    """Of which `kind` it is, with which registry, at what, and the words for it."""

    kind: str
    host: str
    name: str
    words: str

    @property
    def passes(self) -> bool:
        """Whether another try may mend it."""
        return self.kind in ("busy", "broken", "cut")

    @property
    def problem(self) -> str:
        """What is wrong, as one clause."""
        match self.kind:
            case "refused":
                return f"the registry {self.host} refuses {self.name}: {self.words}"
            case "busy":
                return f"the registry {self.host} had too many requests from here: {self.words}"
            case "plain":
                return f"the registry {self.host} speaks http, and https is wanted"
            case "untrusted":
                return f"the engine does not trust the certificate of the registry {self.host}"
            case "dead" | "cut":
                return f"the registry {self.host} does not answer: {self.words}"
            case _:
                return f"the registry {self.host} cannot take {self.name}: {self.words}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        match self.kind:
            case "refused":
                return f"Run `docker login {self.host}` with an account that may do that"
            case "busy":
                return f"Wait some minutes, or `docker login {self.host}`: who is known may ask more often"
            case "plain":
                return f"Give it a certificate, or name {self.host} in the engine's `insecure-registries`"
            case "untrusted":
                return f"Put its authority into /etc/docker/certs.d/{self.host}/ca.crt"
            case "dead" | "cut":
                return "Look whether it is up, and whether `registry` names it; what was built is still there"
            case _:
                return "Look into its log; what was built is still there"


class MissingBase(Trouble):
    """A base image that is neither here nor in a registry that answers."""

    @property
    def passes(self) -> bool:
        """Whether another try may mend it: BuildKit has waited long enough."""
        return False

    @property
    def problem(self) -> str:
        """What is wrong, as one clause."""
        if self.name.startswith(MADE):
            return f"{self.name}, which was made on this machine, is not with the builder"
        return f"{self.name} is not here, and the registry {self.host} does not answer: {self.words}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.name.startswith(MADE):
            return "Run `inv engine.up`, which makes it, and `docker buildx use default`: other builders lack it"
        return "Run `inv engine.up`, which makes base images, or set PYTHON_IMAGE and NODE_IMAGE to others"


def read(lines: Iterable[str]) -> Trouble | None:
    """What `lines` of buildx say that a registry has against a push, or of a pull that it refuses or has enough of."""
    for line in lines:
        error = _ERROR.match(line)
        pushed = _PUSH.search(error["said"]) if error else None
        if error and (found := _trouble(error["said"], pushed)) and (pushed or found.kind in _OF_A_PULL):
            return found
    return None


def of_cache(name: str, error: str) -> str:
    """Why the cache `name` was not read, by BuildKit's `error`, as a clause; "" if it was, or is not there yet."""
    if not error or error.endswith(": not found"):
        return ""
    kind = next((kind for kind, words in _KINDS.items() if re.search(words, error)), "odd")
    found = Trouble(kind, host(name), "this", _words(error))
    return f"since {found.problem}" + (f" ({found.remedy})" if kind == "refused" else "")


def host(name: str) -> str:
    """The registry of an image's name: its first part where that can be a host, else the public hub."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _trouble(said: str, pushed: "re.Match[str] | None") -> Trouble | None:
    url = _URL.search(said)
    pulled = _PULL.match(said)
    name = pushed["name"] if pushed else pulled["name"] if pulled else "this"
    where = url["host"] if url else host(name)
    if not (pushed or (url and (_STATUS.search(said) or pulled))):
        return None
    text = pushed["said"] if pushed else said
    kind = next((kind for kind, words in _KINDS.items() if re.search(words, text)), "odd")
    missing = pulled and not pushed and kind in ("dead", "cut")
    return (MissingBase if missing else Trouble)(kind, where, name, _words(text))


def _words(text: str) -> str:
    """The part of an error that says it: a status, the end of a failed call, or its last clause."""
    if status := _STATUS.search(text):
        return status[0].strip()
    if dial := _DIAL.search(text):
        return dial["end"].rpartition(": ")[2]
    return text.rpartition(": ")[2]
