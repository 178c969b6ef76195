"""Assign the files of a layer to packages, and find files that an image may not need."""

import re
from collections.abc import Iterable, Mapping

_BYTECODE = re.compile(r"__pycache__/([^/]+?)\.[^/.]+(?:\.opt-\d)?\.pyc$")
_SITE_PACKAGES = re.compile(r".*/(?:site|dist)-packages/([^/]+)")
_DIRECTORY = re.compile(r"(?:usr/local/[^/]+|[^/]+)(?:/[^/]+)?(?=/)")
# Debian packages still list files below /bin, /sbin and /lib, which are links to /usr/bin and so on.
_MERGED_USR = re.compile(r"^(?=(?:bin|sbin|lib|lib64)/)")

# Files that an image often does not need: a name, a pattern of their paths, how to avoid them.
_REMOVABLE: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (name, re.compile(pattern), remedy)
    for name, pattern, remedy in (
        ("apt's downloads", r"var/(lib/apt/lists|cache/apt)/", "give apt cache mounts"),
        ("downloads", r"(root|home/[^/]+)/\.(cache|npm)/", "give pip, uv and npm cache mounts"),
        ("compilers", r"usr/(lib|libexec)/gcc|usr/include/|.*\.a$", "compile in a stage of its own"),
        ("npm's packages", r"(.*/)?node_modules/", "build the front end in a stage of its own"),
        ("installers", r".*/(site|dist)-packages/(pip|setuptools|uv|wheel)/", "create the venv without pip"),
        ("documentation", r"usr/(local/)?share/(doc|man|info|locale)/", "a slim base image has none"),
        ("packages' tests", r".*/(site|dist)-packages/(.*/)?tests?/", "only the developers of the package need them"),
        ("bundled wheels", r".*/python-wheels/|.*/ensurepip/_bundled/", "part of the base image, to create venvs"),
        ("bytecode", r".*\.pyc$", "keep it: without it, every start compiles"),
    )
)


def by_owner(files: Mapping[str, int], owners: Mapping[str, str]) -> dict[str, int]:
    """Return the bytes of `files` (bytes by path) by package, or by directory without one; largest first.

    `owners` maps the paths that packages list to the names of the packages.
    """
    sizes: dict[str, int] = {}
    for path, size in files.items():
        name = owner(path, owners)
        sizes[name] = sizes.get(name, 0) + size
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def owner(path: str, owners: Mapping[str, str]) -> str:
    """Return the package that owns a file or the source of its bytecode, else the directory of the file."""
    if path in owners:
        return owners[path]
    source = _BYTECODE.sub(r"\1.py", path)
    if source in owners:
        return owners[source]
    if package := _SITE_PACKAGES.match(path):
        return package[1]
    directory = _DIRECTORY.match(path)
    return f"/{directory[0] if directory else path}"


def debian(file_list: str, package: str) -> dict[str, str]:
    """Map the paths in a Debian package's `.list` to `package`, without a leading slash as in an archive."""
    paths = (line.lstrip("/") for line in file_list.splitlines())
    return {_MERGED_USR.sub("usr/", path): package for path in paths}


def distribution(record: str, path: str) -> dict[str, str]:
    """Map the paths in the RECORD file at `path` to the name of the distribution."""
    folder, _, name = path.rpartition("/")[0].rpartition("/")
    package = name.partition("-")[0]
    # A path with a comma is quoted; the two other fields have no commas.
    names = (line.rsplit(",", 2)[0].strip('"') for line in record.splitlines())
    return {f"{folder}/{name}": package for name in names if not name.startswith("../")}


def find_removable(files: Iterable[tuple[str, int]]) -> list[tuple[str, int, str]]:
    """Return the kinds of `files` (path and bytes) that an image may not need: name, bytes, remedy."""
    sums = dict.fromkeys((name for name, _, _ in _REMOVABLE), 0)
    for path, size in files:
        name = next((name for name, pattern, _ in _REMOVABLE if pattern.match(path)), "")
        if name:
            sums[name] += size
    return [(name, sums[name], remedy) for name, _, remedy in _REMOVABLE if sums[name]]


def hidden(layers: Iterable[Mapping[str, int]]) -> int:
    """Return the bytes of files that a later layer replaces or removes: the image still contains them."""
    visible: dict[str, int] = {}
    hidden_bytes = 0
    for files in layers:
        for path in files:
            folder, _, name = path.rpartition("/")
            prefix = f"{folder}/" if folder else ""
            if name == ".wh..wh..opq":
                removed = [other for other in visible if other.startswith(prefix)]
            elif name.startswith(".wh."):
                target = prefix + name.removeprefix(".wh.")
                removed = [other for other in visible if other == target or other.startswith(f"{target}/")]
            else:
                removed = [path] if path in visible else []
            hidden_bytes += sum(visible.pop(other) for other in removed)
        visible |= {path: size for path, size in files.items() if "/.wh." not in f"/{path}"}
    return hidden_bytes
