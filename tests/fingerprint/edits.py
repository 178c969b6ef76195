"""Random single edits of a case: of its files, of what is said of the build, of the engine's images."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.fingerprint import project
from tests.fingerprint.case import BAKE_FILE, Case

# Returns what was done, "" where the case has nothing for it.
Edit = Callable[[Case], str]


def apply(case: Case) -> str:
    """Apply a random edit that the case has something for, and return what was done."""
    while True:
        name = case.rng.choices([*EDITS], [weight for weight, _ in EDITS.values()])[0]
        if done := EDITS[name][1](case):
            case.kinds.append(f"edit: {name}")
            return f"{name}: {done}"


def change_content(case: Case) -> str:
    path = _file(case)
    path.write_bytes(path.read_bytes() + b"more")
    return _name(case, path)


def change_content_only(case: Case) -> str:
    path = _file(case)
    before = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    if case.rng.random() < 0.5:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return f"{_name(case, path)}, same size and date"
    return f"{_name(case, path)}, same size"


def change_mode(case: Case) -> str:
    path = case.rng.choice([_file(case), _folder(case)])
    path.chmod(path.stat().st_mode ^ case.rng.choice((0o001, 0o100, 0o020)))
    return _name(case, path)


def change_attribute(case: Case) -> str:
    path = _file(case)
    os.setxattr(path, "user.edited", b"x")
    return _name(case, path)


def change_date(case: Case) -> str:
    path = _file(case)
    os.utime(path, (case.rng.choice((0, 4_000_000_000)),) * 2)
    return _name(case, path)


def rename(case: Case) -> str:
    path = _file(case)
    new = path.with_name(case.rng.choice(("renamed", "a", "b.txt", "c.log", "new.log")))
    path.rename(new)
    return f"{_name(case, path)} to {new.name}"


def move_link(case: Case) -> str:
    links = [path for path in case.paths if path.is_symlink() and "dockerignore" not in path.name]
    if not links:
        return ""
    link = case.rng.choice(links)
    link.unlink()
    link.symlink_to(case.rng.choice(("kept/two.txt", "kept", "sub/b.txt", "elsewhere")))
    return _name(case, link)


def make_link(case: Case) -> str:
    path = _file(case)
    other = path.with_name("moved-away")
    path.rename(other)
    path.symlink_to(other.name)
    return _name(case, path)


def add_file(case: Case) -> str:
    path = _folder(case) / case.rng.choice(("a", "b.txt", "c.log", "new", ".hid", "abc", "back"))
    if case.rng.random() < 0.15:
        path.with_name("folder").mkdir(exist_ok=True)
        return f"{_name(case, path.with_name('folder'))}/"
    path.write_text(project.text_of(case.rng) + "+")
    return _name(case, path)


def remove_file(case: Case) -> str:
    path = _file(case)
    path.unlink()
    return _name(case, path)


def change_ignore_file(case: Case) -> str:
    files = project.ignore_files(case)
    if not files or case.rng.random() < 0.15:
        path = case.root / ".dockerignore"
        if path in files:
            path.unlink()
            return f"{_name(case, path)} removed"
        path.write_text(line := project.pattern(case.rng, 0.2) + "\n")
        return f"{_name(case, path)} made: {line!r}"
    path = case.rng.choice(files)
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and case.rng.random() < 0.5:
        line = lines.pop(case.rng.randrange(len(lines))).decode()
        what = "without"
    else:
        line, what = project.pattern(case.rng, 0.2) + "\n", "with"
        lines.insert(case.rng.randint(0, len(lines)), line.encode())
    path.write_bytes(b"".join(lines))
    return f"{_name(case, path)} {what} {line!r}"


def change_dockerfile(case: Case) -> str:
    files = project.dockerfiles(case)
    path = case.rng.choice(files)
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    kind = case.rng.choice(("CRLF", "CRLF", "comment", "BOM", "instruction", "instruction", "without"))
    if kind == "CRLF":
        data = data.replace(b"\r\n", b"\n") if b"\r\n" in data else data.replace(b"\n", b"\r\n")
    elif kind == "BOM":
        data = data.removeprefix("\ufeff".encode()) if data[:1] == b"\xef" else b"\xef\xbb\xbf" + data
    elif kind == "comment":
        lines.insert(case.rng.randint(0, len(lines)), b"# a comment\n")
        data = b"".join(lines)
    elif kind == "instruction":
        data += f"{project.instruction(case, 99, [], shell=False)}\n".encode()
    else:
        data = b"".join(lines[:-1])
    path.write_bytes(data)
    return f"{_name(case, path)}, {kind}"


def change_bake_file(case: Case) -> str:
    path = case.project / BAKE_FILE
    bake = json.loads(path.read_text())
    target = bake["target"][case.rng.choice(sorted(bake["target"]))]
    # Another stage has not what a check needs.
    kinds = ("args", "labels", "attest" if case.checks else "target", "variable", "attest")
    kind = case.rng.choice(kinds)
    if kind == "variable":
        bake["variable"]["BAKE_V"]["default"] = "other"
    elif kind in ("args", "labels"):
        target.setdefault(kind, {})[case.rng.choice("VWX")] = project.text_of(case.rng)
    else:
        target[kind] = {"target": case.rng.choice(("last", "s0")), "attest": ["type=provenance,mode=max"]}[kind]
    path.write_text(json.dumps(bake, indent=1))
    return kind


def change_variable(case: Case) -> str:
    name = case.rng.choice(("BAKE_V", "BAKE_W", "GOLDI_APP"))
    case.env[name] = {"GOLDI_APP": case.context if case.context != "." else "kept"}.get(name, "set")
    return name


def change_secret(case: Case) -> str:
    case.env |= {"BAKE_SECRET": "other"}
    return "BAKE_SECRET"


def change_client(case: Case) -> str:
    project.configure_client(case, "http://second.invalid:1")
    return "proxies in DOCKER_CONFIG"


def change_buildx(case: Case) -> str:
    name, value = case.rng.choice(
        (("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"), ("BUILDX_GIT_LABELS", "1"), ("BUILDX_GIT_LABELS", "full"))
    )
    case.env[name] = value
    return f"{name}={value}"


def change_epoch(case: Case) -> str:
    case.env["SOURCE_DATE_EPOCH"] = case.rng.choice(("0", "1700000000"))
    return "SOURCE_DATE_EPOCH"


def commit(case: Case) -> str:
    if "git" not in case.kinds:
        return ""
    project.commit(case)
    return f"with BUILDX_GIT_LABELS={case.env.get('BUILDX_GIT_LABELS')}"


def rebuild_base(case: Case) -> str:
    if not case.bases:
        return ""
    project.rebuild_base(case)
    return case.bases[0]


def move_tag(case: Case) -> str:
    """Give the tag to another image: that of a plain build, or the base image, or none."""
    tag, kind = f"{case.image}:{case.rng.choice(case.targets)}", case.rng.choice(("build", "tag", "remove"))
    if kind == "build":
        # Without goldi's variables, which give the image its name.
        argv = ("docker", "buildx", "bake", "--file", str(BAKE_FILE), "--set", "*.args.V=moved", "--progress", "plain")
        case.run(*argv, case.name, env={"PYTHON_IMAGE": (case.bases or [case.base])[0]})
    else:
        case.run("docker", *(("tag", case.base, tag) if kind == "tag" else ("image", "rm", "--force", tag)))
    return f"{tag} by {kind}"


def change_outside(case: Case) -> str:
    """Change what no image holds."""
    (case.folder / "beside").write_text(project.text_of(case.rng))
    (case.project / "infrastructure/docker/unused.Dockerfile.md").write_text(project.text_of(case.rng))
    return "a file beside"


# By name how often, and what does it.
EDITS: dict[str, tuple[int, Edit]] = {
    "content": (4, change_content),
    "content only": (3, change_content_only),
    "mode": (2, change_mode),
    "attribute": (1, change_attribute),
    "date": (1, change_date),
    "rename": (2, rename),
    "link moved": (2, move_link),
    "link for a file": (1, make_link),
    "new file": (3, add_file),
    "file removed": (2, remove_file),
    "ignore file": (6, change_ignore_file),
    "Dockerfile": (6, change_dockerfile),
    "bake file": (3, change_bake_file),
    "variable": (2, change_variable),
    "secret": (1, change_secret),
    "client configuration": (2, change_client),
    "BUILDX_*": (3, change_buildx),
    "SOURCE_DATE_EPOCH": (1, change_epoch),
    "commit": (5, commit),
    "base image": (3, rebuild_base),
    "tag moved": (2, move_tag),
    "outside": (1, change_outside),
    "nothing": (1, lambda case: "no edit"),
}


def _file(case: Case) -> Path:
    """Choose a file of the project that has no edit of its own kind."""
    special = (
        "Dockerfile",
        ".dockerignore",
        ".json",
        ".toml",
        ".env",
        ".git",
        "noxfile.py",
        "ignored-here",
        "online.sh",
    )
    found = [path for path in case.paths if path.is_file() and not path.is_symlink()]
    found = [path for path in found if not path.name.endswith(special)]
    if case.rng.random() < 0.5:
        # Those that an ignore file has a word on.
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in project.ignore_files(case))
        words = {
            word.strip().strip("!/")
            for text in texts
            for word in text.splitlines()
            if word.strip("!*/ ") not in ("", "kept")
        }
        found = [path for path in found if any(path.match(word) or word in path.parts for word in words)] or found
    return case.rng.choice(found)


def _folder(case: Case) -> Path:
    found = (path for path in case.paths if path.is_relative_to(case.root) and path.is_dir() and not path.is_symlink())
    return case.rng.choice([case.root, *(path for path in found if "infrastructure" not in path.parts)])


def _name(case: Case, path: Path) -> str:
    return str(path.relative_to(case.project))
