"""What a registry has against a push or a pull, read from what buildx says of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

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
# A status of HTTP, wherever it stands: what is around it changes from one containerd to the next.
_STATUS = re.compile(r"(?:^|[\s(\[=])(?P<code>[45]\d\d)(?P<phrase> [A-Z][A-Za-z ]+)?(?=$|[\s:,.;)\]])")
# Where there is none: codes of the registry's protocol, of gRPC, and what Go says of a connection. In this order: a
# refusal may come with a text that fits a later one.
_KINDS = {
    "plain": r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake",
    "untrusted": r"x509:|failed to verify certificate",
    "dead": r"connection refused|no such host|no route to host|network is unreachable",
    "refused": r"unauthori[sz]ed|unauthenticated|insufficient_scope|forbidden|denied|no basic auth credentials|"
    r"authorization failed|authentication (?:is )?required|not authori[sz]ed|code = PermissionDenied",
    "busy": r"too ?many ?requests|rate limit|code = ResourceExhausted",
    "broken": r"internal server error|bad gateway|service unavailable|gateway time-?out|code = Unavailable",
    "cut": r"connection reset|timeout|EOF|broken pipe|deadline exceeded",
}
# What containerd puts behind an error, or instead of one that it does not know: no reason.
_CLASSES = ("unknown", "unknown error", "unavailable", "internal")


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
                remedy = "Look whether it is up, and whether `registry` names it"
            case "broken":
                remedy = "Look into its log"
            case _:
                remedy = f"Run `docker login {self.host}` if it wants one, else look into its log"
        return f"{remedy}; what was built is still there"


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
    found = Trouble(_kind(error), host(name), "this", _words(error))
    return f"since {found.problem}" + (f" ({found.remedy})" if found.kind == "refused" else "")


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
    kind = _kind(text)
    missing = pulled and not pushed and kind in ("dead", "cut")
    return (MissingBase if missing else Trouble)(kind, where, name, _words(text))


def _kind(text: str) -> str:
    """Return which kind of trouble an error is, by its status if it has one."""
    status = _STATUS.search(text)
    code = int(status["code"]) if status else 0
    if code in (401, 403):
        return "refused"
    if code == 429 or code >= 500:
        return "busy" if code == 429 else "broken"
    return next((kind for kind, words in _KINDS.items() if re.search(words, text, re.IGNORECASE)), "odd")


def _words(text: str) -> str:
    """Return the part of an error that says it: a status, the end of a failed call, or its last clause."""
    if status := _STATUS.search(text):
        return f"{status['code']} {(status['phrase'] or _phrase(int(status['code']))).strip()}".strip()
    if dial := _DIAL.search(text):
        return dial["end"].rpartition(": ")[2]
    clauses = [clause for clause in text.split(": ") if clause.strip().lower() not in _CLASSES]
    return clauses[-1].strip() if clauses else "it gives no reason"


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else ""
