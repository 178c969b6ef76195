"""Parse a Dockerfile that is completely inside the small grammar of docs/builds.md.

For any other Dockerfile `parse` returns None, and the whole build context counts as its input. The result may name too
many inputs, which costs a call of the builder, but never too few, which would leave an outdated image. Source of the
semantics: https://docs.docker.com/reference/dockerfile/.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Characters that releases of the builder read differently, and a backslash before a line continuation.
_AMBIGUOUS = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0e-\x1f\ufeff]|\\\\[ \t]*$", re.MULTILINE)
# A parser directive, or a comment that could be one: `# syntax=` selects another grammar.
_DIRECTIVE = re.compile(r"\A(?:[ \t]*(?:#.*)?\n)*?[ \t]*#[ \t]*\w+[ \t]*=")
_CONTINUED = re.compile(r"\\[ \t]*$")
_HEREDOC = re.compile(r"<<(-?)([\"']?)(\w+)\2")
_NO_INPUTS = {"WORKDIR", "USER", "LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "STOPSIGNAL"}
_KEYWORDS = _NO_INPUTS | {"ARG", "ENV", "COPY", "ADD", "RUN", "VOLUME", "MAINTAINER"}
_FROM = re.compile(
    r"(?:--platform=(?P<platform>\S+)\s+)?(?P<base>\S+)(?:\s+AS\s+(?P<name>[a-z][\w.-]*))?", re.IGNORECASE
)
_BUILD_PLATFORM = {"$BUILDPLATFORM", "${BUILDPLATFORM}"}
_ARG = re.compile(r"(\w+)(?:=([^\s\"'\\$]*))?")
_NAMED_BY_VARIABLE = re.compile(r"(?:^|\s)[^\s=]*\$[^\s=]*(?:=|\s)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# The builder sets these variables itself.
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
    """An instruction: its keyword in capitals, the rest of its joined lines, and the range of these lines (from 0).

    `documents` are the lines of its here-documents, which `lines` leaves out.
    """

    word: str
    rest: str
    lines: range = range(0)
    documents: tuple[str, ...] = ()

    @property
    def flags(self) -> list[tuple[str, str]]:
        """Return the names and values of the flags at its beginning."""
        return self._split()[0]

    @property
    def arguments(self) -> str:
        """Return the text after the flags."""
        return self._split()[1]

    def _split(self) -> tuple[list[tuple[str, str]], str]:
        flags, rest = [], self.rest
        while match := _FLAG.match(rest):
            flags.append((match[1], match[2] or ""))
            rest = rest[match.end() :]
        return flags, rest


@dataclass(frozen=True)
class StageInputs:
    """The inputs of a stage: paths in the context ("." is all of it), numbers of other stages, names of images.

    `variables` are the variables in paths; a base image that sets one of them changes the paths.
    """

    paths: set[str] = field(default_factory=set)
    stages: set[int] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)

    def add(self, other: "StageInputs") -> None:
        """Add the inputs of `other`."""
        self.paths.update(other.paths)
        self.stages.update(other.stages)
        self.images.update(other.images)
        self.variables.update(other.variables)


@dataclass(frozen=True)
class DockerfileStage:
    """A stage: its name in lower case ("" for none), whether it runs on the build platform, its inputs and keywords."""

    name: str
    native: bool
    reads: StageInputs = field(default_factory=StageInputs)
    keywords: list[str] = field(default_factory=list)


class _OutsideGrammar(Exception):
    """The Dockerfile is outside of the grammar."""


def parse(text: str, args: Mapping[str, str], *, likely: bool = False) -> list[DockerfileStage] | None:
    """Parse the stages of `text` with the build arguments `args`; return None if it is outside of the grammar.

    With `likely`, a frontend in `# syntax=` is assumed to have the grammar of the builder's own one; this is a guess.
    """
    is_ambiguous = _DIRECTIVE.search(text) or any(name.startswith("BUILDKIT_") for name in args)
    if _AMBIGUOUS.search(text) or (is_ambiguous and not likely):
        return None
    try:
        return _Parser(args, text).stages()
    except _OutsideGrammar:
        return None


def collect_inputs(stages: list[DockerfileStage], target: str) -> StageInputs | None:
    """Return the inputs of the stage `target` ("" is the last) and of its base stages; None if it does not exist."""
    reached = _reachable(stages, target)
    if not reached:
        return None
    total = StageInputs()
    for number in reached:
        total.add(stages[number].reads)
    return total


def find_inputs(text: str, args: Mapping[str, str], target: str, *, likely: bool = False) -> StageInputs | None:
    """Return the inputs of the stage `target` of the Dockerfile `text`; None if it is not understood."""
    stages = parse(text, args, likely=likely)
    return collect_inputs(stages, target) if stages else None


def emulates(stages: list[DockerfileStage], target: str) -> bool:
    """Return whether `target` or one of its base stages has a RUN on the target platform."""
    return any("RUN" in stages[number].keywords and not stages[number].native for number in _reachable(stages, target))


def stage_names(text: str) -> list[str]:
    """List the names of stages in the case in which they are written."""
    matches = (_FROM.fullmatch(line.rest) for line in instructions(text) if line.word == "FROM")
    return [match["name"] for match in matches if match and match["name"]]


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of any Dockerfile `text`; lines of here-documents belong to their instruction."""
    lines = enumerate(line.rstrip("\r") for line in text.split("\n"))
    for start, line in lines:
        if _is_skipped(line):
            continue
        joined, end = line, start
        while _CONTINUED.search(joined):
            end, next_line = next(((number, text) for number, text in lines if not _is_skipped(text)), (end, ""))
            joined = _CONTINUED.sub("", joined) + next_line
        keyword, *rest = joined.split(None, 1) or [""]
        documents: list[str] = []
        for dash, _, delimiter in _HEREDOC.findall(joined) if keyword.upper() in _FLAGS else ():
            for _, content in lines:
                if (content.lstrip("\t") if dash else content) == delimiter:
                    break
                documents.append(content)
        yield Instruction(keyword.upper(), rest[0].strip() if rest else "", range(start, end + 1), tuple(documents))


def _is_skipped(line: str) -> bool:
    """Return whether a line is blank or a comment, which is skipped even between the lines of an instruction."""
    return not line.strip() or line.lstrip().startswith("#")


def _reachable(stages: list[DockerfileStage], target: str) -> set[int]:
    names = {stage.name: number for number, stage in enumerate(stages) if stage.name}
    number = names.get(target.lower()) if target else len(stages) - 1
    pending, reached = set() if number is None else {number}, set[int]()
    while pending:
        number = pending.pop()
        reached.add(number)
        pending |= stages[number].reads.stages - reached
    return reached


class _Parser:
    """A parser of a whole Dockerfile. Raises _OutsideGrammar."""

    def __init__(self, args: Mapping[str, str], text: str) -> None:
        self.args = args
        self.instructions = list(instructions(text))
        # The value of an ARG that ENV also sets is not known: it depends on their order, and on the builder's release.
        env_arguments = [instruction.rest for instruction in self.instructions if instruction.word == "ENV"]
        self.env = {name for arguments in env_arguments for name in re.findall(r"\w+", arguments)}
        self.env_is_ambiguous = any(map(_NAMED_BY_VARIABLE.search, env_arguments))
        # The values of ARGs before the first FROM; the ARGs that the present stage has declared.
        self.global_args: dict[str, str | None] = {}
        self.declared_args: set[str] = set()
        self.parsed: list[DockerfileStage] = []
        # Stage number and name of each `from`: the name may be that of a later stage.
        self.origins: list[tuple[int, str]] = []

    def stages(self) -> list[DockerfileStage]:
        for instruction in self.instructions:
            if instruction.word == "FROM":
                self._begin_stage(instruction)
            elif instruction.word == "ARG":
                self._declare_arg(instruction)
            elif (
                not self.parsed
                or instruction.word not in _KEYWORDS
                or (instruction.word in _FLAGS and "<<" in instruction.rest)
            ):
                raise _OutsideGrammar
            else:
                self.parsed[-1].keywords.append(instruction.word)
                self.parsed[-1].reads.add(self._inputs(instruction))
        if not self.parsed:
            raise _OutsideGrammar
        for number, name in self.origins:
            origin = int(name) if name.isdigit() and int(name) < len(self.parsed) else self._stage_number(name)
            reads = self.parsed[number].reads
            reads.add(StageInputs(images={name}) if origin is None else StageInputs(stages={origin}))
        return self.parsed

    def _begin_stage(self, instruction: Instruction) -> None:
        match = _FROM.fullmatch(instruction.rest)
        if not match or (match["name"] or "").lower() in (
            "scratch",
            *(stage.name for stage in self.parsed if stage.name),
        ):
            raise _OutsideGrammar
        base = self._substitute(match["base"], self.global_args)
        stage = DockerfileStage((match["name"] or "").lower(), match["platform"] in _BUILD_PLATFORM)
        if (number := self._stage_number(base)) is not None:
            stage = DockerfileStage(stage.name, self.parsed[number].native)
            stage.reads.stages.add(number)
        elif base != "scratch":
            stage.reads.images.add(base)
        self.declared_args = set()
        self.parsed.append(stage)

    def _declare_arg(self, instruction: Instruction) -> None:
        match = _ARG.fullmatch(instruction.rest)
        if "BUILDKIT_" in instruction.rest:
            raise _OutsideGrammar
        if match and self.parsed:
            self.declared_args.add(match[1])
        elif match:
            self.global_args[match[1]] = self.args.get(match[1], match[2])
        elif not self.parsed:
            # Several ARGs, or a value in quotes: their values are unknown, so a FROM that uses them is refused.
            self.global_args.update(dict.fromkeys(re.findall(r"\w+", instruction.rest)))

    def _inputs(self, instruction: Instruction) -> StageInputs:
        if instruction.word not in _FLAGS:
            return StageInputs()
        if any(name not in _FLAGS[instruction.word] or _QUOTES.search(value) for name, value in instruction.flags):
            raise _OutsideGrammar
        if instruction.word == "RUN":
            return self._mount_inputs(value for name, value in instruction.flags if name == "mount")
        origins = [value for name, value in instruction.flags if name == "from"]
        return self._record_origin(origins[-1]) if origins else self._copied_paths(instruction)

    def _copied_paths(self, instruction: Instruction) -> StageInputs:
        *sources, _ = instruction.arguments.split() or [""]
        if (
            not sources
            or instruction.arguments.startswith("[")
            or (instruction.word == "ADD" and any(map(_ADDRESS.search, sources)))
        ):
            raise _OutsideGrammar
        reads = StageInputs()
        for source in sources:
            names = {match[1] or match[2] for match in _VARIABLE.finditer(source)}
            if not names <= self.declared_args - self.env or (names and self.env_is_ambiguous):
                raise _OutsideGrammar
            reads.paths.add(_context_path(self._substitute(source, self.args)))
            reads.variables.update(names)
        return reads

    def _mount_inputs(self, mounts: Iterator[str]) -> StageInputs:
        reads = StageInputs()
        for mount in mounts:
            fields = {key.lower(): value for key, _, value in (part.partition("=") for part in mount.split(","))}
            kind, source = fields.get("type", "bind"), fields.get("source", fields.get("src", "."))
            if kind not in _MOUNTS or {"source", "src"} <= fields.keys():
                raise _OutsideGrammar
            if "from" in fields:
                reads.add(self._record_origin(fields["from"]))
            elif kind == "bind" and "$" not in source:
                reads.paths.add(_context_path(source))
            elif kind == "bind":
                raise _OutsideGrammar
        return reads

    def _record_origin(self, name: str) -> StageInputs:
        """Record the stage or image that `--from=NAME` names; it is resolved after the last stage."""
        if not name or not _VALUE.fullmatch(name):
            raise _OutsideGrammar
        self.origins.append((len(self.parsed) - 1, name))
        return StageInputs()

    def _stage_number(self, name: str) -> int | None:
        return next((number for number, stage in enumerate(self.parsed) if stage.name == name.lower() != ""), None)

    def _substitute(self, text: str, values: Mapping[str, str | None]) -> str:
        """Return `text` with its variables replaced; their values must be plain."""

        def replace(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if not (replacement := values.get(name)) or _AUTOMATIC.fullmatch(name) or not _VALUE.fullmatch(replacement):
                raise _OutsideGrammar
            return replacement

        substituted = _VARIABLE.sub(replace, text)
        if "$" in substituted or _QUOTES.search(substituted):
            raise _OutsideGrammar
        return substituted


def _context_path(source: str) -> str:
    """Return the path of `source` in the context up to its first wildcard; "." is the whole context."""
    if not _PATH.fullmatch(source) or ".." in source.split("/"):
        raise _OutsideGrammar
    parts = posixpath.normpath(f"/{source}").strip("/").split("/")
    depth = next((index for index, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    return "/".join(parts[:depth]) or "."
