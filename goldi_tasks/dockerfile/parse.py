"""Read a Dockerfile that lies fully inside a small grammar, which docs/builds.md describes on one page.

What is outside of it is not guessed: `parse` gives None, and all of the build context counts. What is read here may
count too much, which costs a question to the builder, and never too little, which would cost an outdated image.
The meaning is that of https://docs.docker.com/reference/dockerfile/.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Bytes that are read differently by builders of different releases, and a backslash before the one that continues.
_ODD = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\ufeff]|\\\\[ \t]*$", re.MULTILINE)
# A parser directive, or what could be one: `# syntax=` names another grammar.
_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#.*)?\n)*?[ \t]*#[ \t]*\w+[ \t]*=")
_CONTINUED = re.compile(r"\\[ \t]*$")
_HEREDOC = re.compile(r"<<(-?)([\"']?)(\w+)\2")
_PLAIN_WORDS = {"WORKDIR", "USER", "LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "STOPSIGNAL"}
_KNOWN = _PLAIN_WORDS | {"ARG", "ENV", "COPY", "ADD", "RUN", "VOLUME", "MAINTAINER"}
_FROM = re.compile(
    r"(?:--platform=(?P<platform>\S+)\s+)?(?P<base>\S+)(?:\s+AS\s+(?P<name>[a-z][\w.-]*))?", re.IGNORECASE
)
_NATIVE = {"$BUILDPLATFORM", "${BUILDPLATFORM}"}
_ARG = re.compile(r"(\w+)(?:=([^\s\"'\\$]*))?")
_NAMED_BY_VARIABLE = re.compile(r"(?:^|\s)[^\s=]*\$[^\s=]*(?:=|\s)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# The builder has values of its own for these.
_AUTOMATIC = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|STAGE)|PATH")
_VALUE = re.compile(r"[\w./:@+-]*")
_PATH = re.compile(r"[\w.@+~,:=/*?\[\]^-]+")
_ADDRESS = re.compile(r"[:@]|^github\.com/|\.git(?:/|$)")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?(?:\s+|$)")
_FLAGS = {
    "COPY": {"from", "chown", "chmod", "link", "exclude"},
    "ADD": {"chown", "chmod", "link", "exclude"},
    "RUN": {"mount", "network", "security"},
}
_QUOTES = re.compile(r"[\"'\\]")
_MOUNTS = {"bind", "cache", "tmpfs", "secret", "ssh"}


@dataclass(frozen=True)
class Instruction:
    """An instruction: its word in capitals, the rest of all its lines joined to one, and those lines, from 0.

    The lines of its here-documents are not among them, but in `documents`.
    """

    word: str
    rest: str
    lines: range = range(0)
    documents: tuple[str, ...] = ()

    @property
    def flags(self) -> list[tuple[str, str]]:
        """The flags at its beginning, by name and value."""
        return self._split()[0]

    @property
    def arguments(self) -> str:
        """What follows the flags."""
        return self._split()[1]

    def _split(self) -> tuple[list[tuple[str, str]], str]:
        flags, rest = [], self.rest
        while match := _FLAG.match(rest):
            flags.append((match[1], match[2] or ""))
            rest = rest[match.end() :]
        return flags, rest


@dataclass(frozen=True)
class Reads:
    """What a stage reads: paths of the context ("." is all of it), the numbers of other stages, images by name.

    `variables` are the names of the variables in paths: where a base image sets one of them, the paths are others.
    """

    paths: set[str] = field(default_factory=set)
    stages: set[int] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    def add(self, other: "Reads") -> None:
        """Add what `other` reads."""
        self.paths.update(other.paths)
        self.stages.update(other.stages)
        self.images.update(other.images)
        self.variables.update(other.variables)


@dataclass(frozen=True)
class Stage:
    """A stage: its name in small letters ("" for none), whether it runs on the platform that builds, what is in it."""

    name: str
    native: bool
    reads: Reads = field(default_factory=Reads)
    words: list[str] = field(default_factory=list)


class _Unknown(Exception):
    """The Dockerfile has something that is outside of the grammar."""


def parse(text: str, args: Mapping[str, str], *, likely: bool = False) -> list[Stage] | None:
    """Read the stages of `text` with the build arguments `args`; None where it is not fully inside the grammar.

    If `likely`, a frontend that it names is taken for the builder's own one: not to be relied on.
    """
    is_odd = _DIRECTIVE.search(text) or any(name.startswith("BUILDKIT_") for name in args)
    if _ODD.search(text) or (is_odd and not likely):
        return None
    try:
        return _Reader(args, text).stages()
    except _Unknown:
        return None


def reads(stages: list[Stage], target: str) -> Reads | None:
    """Return what the stage `target` ("" for the last) and all that it builds on read; None if there is none."""
    reached = _reached(stages, target)
    if not reached:
        return None
    whole = Reads()
    for number in reached:
        whole.add(stages[number].reads)
    return whole


def find_reads(text: str, args: Mapping[str, str], target: str, *, likely: bool = False) -> Reads | None:
    """Return what the stage `target` of `text` reads; None where `parse` or `reads` gives none."""
    stages = parse(text, args, likely=likely)
    return reads(stages, target) if stages else None


def emulates(stages: list[Stage], target: str) -> bool:
    """Return whether a step of `target` or of what it builds on runs on the platform that is built for."""
    return any("RUN" in stages[number].words and not stages[number].native for number in _reached(stages, target))


def stage_names(text: str) -> list[str]:
    """List the names of stages as they are written."""
    matches = (_FROM.fullmatch(one.rest) for one in instructions(text) if one.word == "FROM")
    return [match["name"] for match in matches if match and match["name"]]


def instructions(text: str) -> Iterator[Instruction]:
    """Give the instructions of `text`, also where it is outside of the grammar; lines of here-documents are none."""
    lines = enumerate(line.rstrip("\r") for line in text.split("\n"))
    for start, line in lines:
        if _is_skipped(line):
            continue
        whole, end = line, start
        while _CONTINUED.search(whole):
            end, more = next(((number, more) for number, more in lines if not _is_skipped(more)), (end, ""))
            whole = _CONTINUED.sub("", whole) + more
        word, *rest = whole.split(None, 1) or [""]
        documents: list[str] = []
        for dash, _, last in _HEREDOC.findall(whole) if word.upper() in _FLAGS else ():
            for _, more in lines:
                if (more.lstrip("\t") if dash else more) == last:
                    break
                documents.append(more)
        yield Instruction(word.upper(), rest[0].strip() if rest else "", range(start, end + 1), tuple(documents))


def _is_skipped(line: str) -> bool:
    """Whether a line is no part of an instruction, also where it stands inside of one."""
    return not line.strip() or line.lstrip().startswith("#")


def _reached(stages: list[Stage], target: str) -> set[int]:
    names = {stage.name: number for number, stage in enumerate(stages) if stage.name}
    number = names.get(target.lower()) if target else len(stages) - 1
    todo, reached = set() if number is None else {number}, set[int]()
    while todo:
        number = todo.pop()
        reached.add(number)
        todo |= stages[number].reads.stages - reached
    return reached


class _Reader:
    """Reads a Dockerfile from its beginning to its end. Raises _Unknown."""

    def __init__(self, args: Mapping[str, str], text: str) -> None:
        self.args = args
        self.instructions = list(instructions(text))
        # A variable that ENV sets is not known: which of both holds depends on their order, and on the release.
        self.env = {name for one in self.instructions if one.word == "ENV" for name in re.findall(r"\w+", one.rest)}
        self.env_is_odd = any(one.word == "ENV" and _NAMED_BY_VARIABLE.search(one.rest) for one in self.instructions)
        # The values of ARGs before the first FROM; what the present stage has declared.
        self.outer: dict[str, str | None] = {}
        self.declared: set[str] = set()
        self.read: list[Stage] = []
        # What is named by `from`, by stage: it may be a stage that comes later.
        self.origins: list[tuple[int, str]] = []

    def stages(self) -> list[Stage]:
        for one in self.instructions:
            if one.word == "FROM":
                self._begin(one)
            elif one.word == "ARG":
                self._declare(one)
            elif not self.read or one.word not in _KNOWN or (one.word in _FLAGS and "<<" in one.rest):
                raise _Unknown
            else:
                self.read[-1].words.append(one.word)
                self.read[-1].reads.add(self._instruction(one))
        if not self.read:
            raise _Unknown
        for number, name in self.origins:
            origin = int(name) if name.isdigit() and int(name) < len(self.read) else self._number(name)
            reads = self.read[number].reads
            reads.add(Reads(images={name}) if origin is None else Reads(stages={origin}))
        return self.read

    def _begin(self, one: Instruction) -> None:
        match = _FROM.fullmatch(one.rest)
        if not match or (match["name"] or "").lower() in (
            "scratch",
            *(stage.name for stage in self.read if stage.name),
        ):
            raise _Unknown
        base = self._filled(match["base"], self.outer)
        stage = Stage((match["name"] or "").lower(), match["platform"] in _NATIVE)
        if (number := self._number(base)) is not None:
            stage = Stage(stage.name, self.read[number].native)
            stage.reads.stages.add(number)
        elif base != "scratch":
            stage.reads.images.add(base)
        self.declared = set()
        self.read.append(stage)

    def _declare(self, one: Instruction) -> None:
        match = _ARG.fullmatch(one.rest)
        if "BUILDKIT_" in one.rest:
            raise _Unknown
        if match and self.read:
            self.declared.add(match[1])
        elif match:
            self.outer[match[1]] = self.args.get(match[1], match[2])
        elif not self.read:
            # More than one, or a value in quotes: a FROM that has one of them is not understood.
            self.outer.update(dict.fromkeys(re.findall(r"\w+", one.rest)))

    def _instruction(self, one: Instruction) -> Reads:
        if one.word not in _FLAGS:
            return Reads()
        if any(name not in _FLAGS[one.word] or _QUOTES.search(value) for name, value in one.flags):
            raise _Unknown
        if one.word == "RUN":
            return self._mounts(value for name, value in one.flags if name == "mount")
        origins = [value for name, value in one.flags if name == "from"]
        return self._origin(origins[-1]) if origins else self._sources(one)

    def _sources(self, one: Instruction) -> Reads:
        *sources, _ = one.arguments.split() or [""]
        if not sources or one.arguments.startswith("[") or (one.word == "ADD" and any(map(_ADDRESS.search, sources))):
            raise _Unknown
        reads = Reads()
        for source in sources:
            names = {match[1] or match[2] for match in _VARIABLE.finditer(source)}
            if not names <= self.declared - self.env or (names and self.env_is_odd):
                raise _Unknown
            reads.paths.add(_path(self._filled(source, self.args)))
            reads.variables.update(names)
        return reads

    def _mounts(self, mounts: Iterator[str]) -> Reads:
        reads = Reads()
        for mount in mounts:
            fields = {key.lower(): value for key, _, value in (part.partition("=") for part in mount.split(","))}
            kind, source = fields.get("type", "bind"), fields.get("source", fields.get("src", "."))
            if kind not in _MOUNTS or {"source", "src"} <= fields.keys():
                raise _Unknown
            if "from" in fields:
                reads.add(self._origin(fields["from"]))
            elif kind == "bind" and "$" not in source:
                reads.paths.add(_path(source))
            elif kind == "bind":
                raise _Unknown
        return reads

    def _origin(self, name: str) -> Reads:
        """Note what `--from=NAME` reads: a stage by name or number, else an image."""
        if not name or not _VALUE.fullmatch(name):
            raise _Unknown
        self.origins.append((len(self.read) - 1, name))
        return Reads()

    def _number(self, name: str) -> int | None:
        return next((number for number, stage in enumerate(self.read) if stage.name == name.lower() != ""), None)

    def _filled(self, text: str, values: Mapping[str, str | None]) -> str:
        """Return `text` with the values of its variables, which have to be plain."""

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if not (given := values.get(name)) or _AUTOMATIC.fullmatch(name) or not _VALUE.fullmatch(given):
                raise _Unknown
            return given

        filled = _VARIABLE.sub(value, text)
        if "$" in filled or _QUOTES.search(filled):
            raise _Unknown
        return filled


def _path(source: str) -> str:
    """Return the path that `source` names or lies below, relative to the context; "." for all of it."""
    if not _PATH.fullmatch(source) or ".." in source.split("/"):
        raise _Unknown
    parts = posixpath.normpath(f"/{source}").strip("/").split("/")
    wild = next((at for at, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    return "/".join(parts[:wild]) or "."
