"""Parse the errors of registries in buildx's output of a push or a pull."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

# Seconds before each retry of a push. BuildKit itself retries for 8 s after a 5xx, and for 1 s after a 429.
DELAYS = (1.0, 4.0, 16.0)

# The prefix of the images that `engine.up` builds.
MADE = "localhost/goldi/"
# Errors of a pull that are reported; for the others buildx's own message is better.
_PULL_KINDS = ("refused", "busy", "dead", "cut")
_ERROR = re.compile(r"^ERROR: (?:target \S+: )?(?:failed to solve: )?(?P<message>.*)")
_PUSH = re.compile(r"failed to push (?P<name>\S+?): (?P<message>.*)")
_PULL = re.compile(r"(?P<name>\S+?): failed to (?:resolve source metadata|authorize|copy)")
_URL = re.compile(r"https?://(?P<host>[^/\s\"]+)/v2/")
_DIAL = re.compile(r"dial tcp:? (?:lookup )?(?P<end>.*)")
# An HTTP status anywhere in a line: the text around it differs between releases of containerd.
_STATUS = re.compile(r"(?:^|[\s(\[=])(?P<code>[45]\d\d)(?P<phrase> [A-Z][A-Za-z ]+)?(?=$|[\s:,.;)\]])")
# Errors without a status: codes of the registry's protocol, of gRPC, and Go's errors of a connection. In this order,
# since the text of a refusal may also match a later kind.
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
# Error classes that containerd appends to an error, or prints instead of one: they give no reason.
_CLASSES = ("unknown", "unknown error", "unavailable", "internal")


@dataclass(frozen=True)
class RegistryError:
    """An error of the registry `host` with the image `name`: its `kind` (a key of _KINDS, or odd) and its `reason`."""

    kind: str
    host: str
    name: str
    reason: str

    @property
    def passes(self) -> bool:
        """Return whether a retry may succeed."""
        return self.kind in ("busy", "broken", "cut")

    @property
    def problem(self) -> str:
        """Return the problem as one clause."""
        match self.kind:
            case "refused":
                return f"the registry {self.host} refuses {self.name}: {self.reason}"
            case "busy":
                return f"the registry {self.host} got too many requests from here: {self.reason}"
            case "plain":
                return f"the registry {self.host} uses http, and https is required"
            case "untrusted":
                return f"the engine does not trust the certificate of the registry {self.host}"
            case "dead" | "cut":
                return f"the registry {self.host} does not answer: {self.reason}"
            case _:
                return f"the registry {self.host} does not accept {self.name}: {self.reason}"

    @property
    def remedy(self) -> str:
        """Return the remedy as one sentence, without a full stop."""
        match self.kind:
            case "refused":
                return f"Run `docker login {self.host}` with an account that has access"
            case "busy":
                return f"Wait some minutes, or run `docker login {self.host}`: accounts have a higher limit"
            case "plain":
                return f"Give it a certificate, or add {self.host} to `insecure-registries` of the engine"
            case "untrusted":
                return f"Copy its CA certificate to /etc/docker/certs.d/{self.host}/ca.crt"
            case "dead" | "cut":
                remedy = "Check that it is running, and that the setting `registry` is right"
            case "broken":
                remedy = "Read its log"
            case _:
                remedy = f"Run `docker login {self.host}` if it requires a login, else read its log"
        return f"{remedy}; what was built is still there"


class MissingBase(RegistryError):
    """A base image that is not on this machine, and whose registry does not answer."""

    @property
    def passes(self) -> bool:
        """Return False: BuildKit has already waited long enough."""
        return False

    @property
    def problem(self) -> str:
        """Return the problem as one clause."""
        if self.name.startswith(MADE):
            return f"the builder does not have {self.name}, which was built on this machine"
        return f"{self.name} is not on this machine, and the registry {self.host} does not answer: {self.reason}"

    @property
    def remedy(self) -> str:
        """Return the remedy as one sentence, without a full stop."""
        if self.name.startswith(MADE):
            return (
                "Run `inv engine.up`, which builds it, and `docker buildx use default`: other builders do not have it"
            )
        return "Run `inv engine.up`, which builds base images, or set PYTHON_IMAGE and NODE_IMAGE to other images"


def read(lines: Iterable[str]) -> RegistryError | None:
    """Return the registry's error in `lines` of buildx: any of a push, the _PULL_KINDS of a pull; None without one."""
    for line in lines:
        error = _ERROR.match(line)
        pushed = _PUSH.search(error["message"]) if error else None
        if error and (trouble := _parse_error(error["message"], pushed)) and (pushed or trouble.kind in _PULL_KINDS):
            return trouble
    return None


def explain_cache_error(name: str, error: str) -> str:
    """Return why the cache `name` was not imported, as a clause; "" if it was, or if it does not exist yet."""
    if not error or error.endswith(": not found"):
        return ""
    trouble = RegistryError(_kind(error), host(name), "the request", _find_reason(error))
    return f"since {trouble.problem}" + (f" ({trouble.remedy})" if trouble.kind == "refused" else "")


def host(name: str) -> str:
    """Return the registry of an image's name: its first part if that can be a host, else docker.io."""
    first, slash, _ = name.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _parse_error(message: str, pushed: "re.Match[str] | None") -> RegistryError | None:
    url = _URL.search(message)
    pulled = _PULL.match(message)
    name = pushed["name"] if pushed else pulled["name"] if pulled else "the request"
    registry = url["host"] if url else host(name)
    if not (pushed or (url and (_STATUS.search(message) or pulled))):
        return None
    error = pushed["message"] if pushed else message
    kind = _kind(error)
    missing = pulled and not pushed and kind in ("dead", "cut")
    return (MissingBase if missing else RegistryError)(kind, registry, name, _find_reason(error))


def _kind(text: str) -> str:
    """Return the kind of an error, by its HTTP status if it has one."""
    status = _STATUS.search(text)
    code = int(status["code"]) if status else 0
    if code in (401, 403):
        return "refused"
    if code == 429 or code >= 500:
        return "busy" if code == 429 else "broken"
    return next((kind for kind, pattern in _KINDS.items() if re.search(pattern, text, re.IGNORECASE)), "odd")


def _find_reason(text: str) -> str:
    """Return the reason in an error: a status, the end of a failed connection, or the last clause."""
    if status := _STATUS.search(text):
        return f"{status['code']} {(status['phrase'] or _phrase(int(status['code']))).strip()}".strip()
    if dial := _DIAL.search(text):
        return dial["end"].rpartition(": ")[2]
    clauses = [clause for clause in text.split(": ") if clause.strip().lower() not in _CLASSES]
    return clauses[-1].strip() if clauses else "it gives no reason"


def _phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else ""
