"""Copy a project to build from, and change files in the copy. The project itself is never changed."""

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

# The single-stage Dockerfile that the first build is compared with.
PLAIN = "Dockerfile.plain"
_FROM = re.compile(r"^FROM[ \t].*[^\\\n]$", re.MULTILINE | re.IGNORECASE)
_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[.*?\])?==.*\n(?:(?:[ \t#].*)?\n)*", re.MULTILINE)
_VIA = re.compile(r"^\s*#(?: via|  )\s*(\S+)", re.MULTILINE)


@dataclass
class ProjectCopy:
    """A copy of a project.

    `project` is the copy, `work` the temporary directory around it, `code` the source file that is edited, `lock` the
    lock file: it holds `full_lock`, or `reduced_lock` without `dependency`.
    """

    project: Path
    work: Path
    bake_file: Path
    code: Path | None
    lock: Path | None
    full_lock: str = ""
    reduced_lock: str = ""
    dependency: str = ""
    _edit_count: int = field(default=0)

    def edit_code(self) -> None:
        """Change one source file to a content that no build has seen."""
        if self.code:
            self._edit_count += 1
            with self.code.open("a", encoding="utf-8") as file:
                file.write(f"# edit {self._edit_count} of a benchmark\n")

    def set_cache_namespace(self, name: str) -> None:
        """Give builds the cache mounts of the namespace `name`, with a build argument of BuildKit."""
        bake = json.loads(self.bake_file.read_text(encoding="utf-8"))
        for target in bake["target"].values():
            target.setdefault("args", {})["BUILDKIT_CACHE_MOUNT_NS"] = name
        self.bake_file.write_text(json.dumps(bake, indent=2), encoding="utf-8")

    def edit_steps(self) -> None:
        """Change every step of the Dockerfile without an effect, by a variable behind each FROM."""
        self._edit_count += 1
        file = self.bake_file.parent / "Dockerfile"
        text = _FROM.sub(rf"\g<0>\nENV GOLDI_BENCH={self._edit_count}", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")

    def set_dependency(self, is_present: bool) -> None:
        """Write the lock with or without `dependency`."""
        if self.lock:
            self.lock.write_text(self.full_lock if is_present else self.reduced_lock, encoding="utf-8")


@contextmanager
def copy(settings: Settings) -> Iterator[ProjectCopy]:
    """Give a copy of the build context and of the Docker files of the project; it is removed when the block ends."""
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
        scratch = ProjectCopy(project, Path(folder), bake_file, project / code if code else None, None)
        lock = project / settings.app / "requirements.lock"
        if lock.is_file():
            full_lock = lock.read_text(encoding="utf-8")
            if removable := without_one(full_lock):
                scratch.lock, scratch.full_lock = lock, full_lock
                scratch.dependency, scratch.reduced_lock = removable
        yield scratch


def source(names: list[str], app: str) -> str:
    """Return the source file to edit: the app's module that is highest in the build context, "" if there is none."""
    prefix = "" if app == "." else f"{app}/"
    modules = [
        name
        for name in names
        if name.startswith(prefix)
        and name.endswith(".py")
        and not re.search(r"(^|/)(tests?|conftest\.py|infrastructure)(/|$)", name)
    ]
    return min(modules, key=lambda name: (name.count("/"), name.endswith("__init__.py"), name), default="")


def without_one(lock: str) -> tuple[str, str] | None:
    """Return a package that no other in `lock` depends on, and the lock without it; None if there is none.

    The lock must have the `# via` comments that `uv pip compile` and `pip-compile` write.
    """
    packages = {_normalize(match[1]): match for match in _PACKAGE.finditer(lock)}
    for name, match in packages.items():
        via = {_normalize(dependent) for dependent in _VIA.findall(match[0])}
        if via and not via & packages.keys():
            return name, lock[: match.start()] + lock[match.end() :]
    return None


def _normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() or source.is_file():
        shutil.copy2(source, target, follow_symlinks=False)
    elif source.is_dir():
        target.mkdir(exist_ok=True)
