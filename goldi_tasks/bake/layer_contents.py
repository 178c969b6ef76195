"""Whose the files of a layer are, and which of them an image could do without."""

import re
from collections.abc import Iterable, Mapping

_BYTECODE = re.compile(r"__pycache__/([^/]+?)\.[^/.]+(?:\.opt-\d)?\.pyc$")
_SITE = re.compile(r".*/(?:site|dist)-packages/([^/]+)")
_FOLDER = re.compile(r"(?:usr/local/[^/]+|[^/]+)(?:/[^/]+)?(?=/)")
# Debian's packages still name files by the links that /bin and its like have become.
_LINKS = re.compile(r"^(?=(?:bin|sbin|lib|lib64)/)")

# What is often in an image for no use: a name, where it lies, and how to do without it.
_SPARE: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (name, re.compile(pattern), remedy)
    for name, pattern, remedy in (
        ("apt's downloads", r"var/(lib/apt/lists|cache/apt)/", "give apt cache mounts"),
        ("downloads", r"(root|home/[^/]+)/\.(cache|npm)/", "give pip, uv and npm cache mounts"),
        ("compilers", r"usr/(lib|libexec)/gcc|usr/include/|.*\.a$", "compile in a stage of its own"),
        ("npm's packages", r"(.*/)?node_modules/", "build the front end in a stage of its own"),
        ("installers", r".*/(site|dist)-packages/(pip|setuptools|uv|wheel)/", "make the environment without pip"),
        ("documentation", r"usr/(local/)?share/(doc|man|info|locale)/", "a slim base image has none"),
        ("packages' tests", r".*/(site|dist)-packages/(.*/)?tests?/", "nothing but its author needs them"),
        (
            "bundled wheels",
            r".*/python-wheels/|.*/ensurepip/_bundled/",
            "part of the base image: it makes environments",
        ),
        ("bytecode", r".*\.pyc$", "keep it: without it every start compiles"),
    )
)


def by_owner(files: Mapping[str, int], owners: Mapping[str, str]) -> dict[str, int]:
    """The bytes of `files` (by path) by package or, where there is none, by directory; largest first.

    `owners` are the paths that packages name as theirs.
    """
    found: dict[str, int] = {}
    for path, size in files.items():
        name = owner(path, owners)
        found[name] = found.get(name, 0) + size
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def owner(path: str, owners: Mapping[str, str]) -> str:
    """The package that a file belongs to, its bytecode included, else the directory it lies in."""
    if path in owners:
        return owners[path]
    source = _BYTECODE.sub(r"\1.py", path)
    if source in owners:
        return owners[source]
    if found := _SITE.match(path):
        return found[1]
    folder = _FOLDER.match(path)
    return f"/{folder[0] if folder else path}"


def debian(listed: str, package: str) -> dict[str, str]:
    """The paths of a package's `.list`, as an archive names them."""
    paths = (line.lstrip("/") for line in listed.splitlines())
    return {_LINKS.sub("usr/", path): package for path in paths}


def distribution(record: str, path: str) -> dict[str, str]:
    """The paths that the RECORD at `path` names, with the name of the distribution."""
    folder, _, name = path.rpartition("/")[0].rpartition("/")
    title = name.partition("-")[0]
    # A name with a comma stands in quotes; the other fields have neither.
    names = (line.rsplit(",", 2)[0].strip('"') for line in record.splitlines())
    return {f"{folder}/{name}": title for name in names if not name.startswith("../")}


def spare(files: Iterable[tuple[str, int]]) -> list[tuple[str, int, str]]:
    """What `files` (path and bytes) hold that an image could do without: its name, its bytes, what to do."""
    sums = dict.fromkeys((name for name, _, _ in _SPARE), 0)
    for path, size in files:
        name = next((name for name, pattern, _ in _SPARE if pattern.match(path)), "")
        if name:
            sums[name] += size
    return [(name, sums[name], remedy) for name, _, remedy in _SPARE if sums[name]]


def hidden(layers: Iterable[Mapping[str, int]]) -> int:
    """The bytes of files that a later layer replaces or removes; they are in the image all the same."""
    seen: dict[str, int] = {}
    lost = 0
    for files in layers:
        for path in files:
            folder, _, name = path.rpartition("/")
            prefix = f"{folder}/" if folder else ""
            if name == ".wh..wh..opq":
                gone = [other for other in seen if other.startswith(prefix)]
            elif name.startswith(".wh."):
                whole = prefix + name.removeprefix(".wh.")
                gone = [other for other in seen if other == whole or other.startswith(f"{whole}/")]
            else:
                gone = [path] if path in seen else []
            lost += sum(seen.pop(other) for other in gone)
        seen |= {path: size for path, size in files.items() if "/.wh." not in f"/{path}"}
    return lost
