"""A copy of a project to build from, and the changes that are made in it. The project itself is never touched."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from goldi_tasks.bake import build_context, control_files
from goldi_tasks.settings import Settings

# What somebody writes first, to be held against.
PLAIN = "Dockerfile.plain"
_FROM = re.compile(r"^FROM[ \t].*[^\\\n]$", re.MULTILINE | re.IGNORECASE)
_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[.*?\])?==.*\n(?:(?:[ \t#].*)?\n)*", re.MULTILINE)
_VIA = re.compile(r"^\s*#(?: via|  )\s*(\S+)", re.MULTILINE)


@dataclass
class Scratch:
    """`project` is the copy, `work` a directory beside it; `added` is the dependency that comes and goes."""

    project: Path
    work: Path
    bake_file: Path
    code: Path | None
    lock: Path | None
    full: str = ""
    less: str = ""
    added: str = ""
    _edits: int = field(default=0)

    def edit_code(self) -> None:
        """Change one source file, as nobody did before."""
        if self.code:
            self._edits += 1
            with self.code.open("a", encoding="utf-8") as file:
                file.write(f"# edit {self._edits} of a benchmark\n")

    def scope(self, name: str) -> None:
        """Give builds cache mounts of their own, which BuildKit has for any Dockerfile."""
        bake = json.loads(self.bake_file.read_text(encoding="utf-8"))
        for target in bake["target"].values():
            target.setdefault("args", {})["BUILDKIT_CACHE_MOUNT_NS"] = name
        self.bake_file.write_text(json.dumps(bake, indent=2), encoding="utf-8")

    def edit_steps(self) -> None:
        """Make every step of the Dockerfile another one that does the same."""
        self._edits += 1
        file = self.bake_file.parent / "Dockerfile"
        text = _FROM.sub(rf"\g<0>\nENV GOLDI_BENCH={self._edits}", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")

    def add_dependency(self, there: bool) -> None:
        """Lock all that the app depends on, or all but `added`."""
        if self.lock:
            self.lock.write_text(self.full if there else self.less, encoding="utf-8")


@contextmanager
def copy(settings: Settings) -> Iterator[Scratch]:
    """A copy of what `settings`' project sends to the builder, and of what says how; removed at the end."""
    with TemporaryDirectory(prefix="goldi-bench-") as folder:
        project = Path(folder, settings.project.name)
        docker = settings.bake_file.parent.relative_to(settings.project)
        files = control_files.find(settings.project, {"dockerfile": f"{docker}/Dockerfile"})
        names = build_context.names(files.root, files.ignore_text)
        for name in names:
            _copy(settings.project / name, project / name)
        shutil.copytree(settings.project / docker, project / docker, dirs_exist_ok=True, symlinks=True)
        app = "" if settings.app == "." else f"{settings.app}/"
        for name in ("pyproject.toml", ".dockerignore", f"{app}{PLAIN}", f"{app}{PLAIN}.dockerignore"):
            if (settings.project / name).is_file():
                _copy(settings.project / name, project / name)
        code = source(names, settings.app)
        bake_file = project / docker / settings.bake_file.name
        made = Scratch(project, Path(folder), bake_file, project / code if code else None, None)
        lock = project / settings.app / "requirements.lock"
        if lock.is_file():
            full = lock.read_text(encoding="utf-8")
            if found := without_one(full):
                made.lock, made.full, (made.added, made.less) = lock, full, found
        yield made


def source(names: list[str], app: str) -> str:
    """The source file to edit: of the app's modules in the build context the one highest up, "" if there is none."""
    prefix = "" if app == "." else f"{app}/"
    found = [
        name
        for name in names
        if name.startswith(prefix)
        and name.endswith(".py")
        and not re.search(r"(^|/)(tests?|conftest\.py|infrastructure)(/|$)", name)
    ]
    return min(found, key=lambda name: (name.count("/"), name.endswith("__init__.py"), name), default="")


def without_one(lock: str) -> tuple[str, str] | None:
    """A package that nothing else in `lock` depends on, and the lock without it; None if there is none.

    The lock must say why each is there, as `uv pip compile` and `pip-compile` write it.
    """
    packages = {_normal(found[1]): found for found in _PACKAGE.finditer(lock)}
    for name, found in packages.items():
        via = {_normal(word) for word in _VIA.findall(found[0])}
        if via and not via & packages.keys():
            return name, lock[: found.start()] + lock[found.end() :]
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() or source.is_file():
        shutil.copy2(source, target, follow_symlinks=False)
    elif source.is_dir():
        target.mkdir(exist_ok=True)
