"""Random projects: a tree of files, ignore files, Dockerfiles and a bake file, small enough to build in no time."""

import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from random import Random
from typing import Any

from tests.fingerprint.case import BAKE_FILE, Case

REPOSITORY = Path(__file__).parents[2]
# These are never left out for long, so that most builds succeed.
KEPT = ("kept/one", "kept/two.txt", "kept/in/three", "kept/z.tar")
NAMES = (
    *("a", "b.txt", "c.log", "d e", "ü", "x[1]", "#n", "!m", "^o", "sub/a", "sub/b.txt", "sub/.hid", "sub/deep/c.log"),
    *("sub/deep/er/a", "sub/deep/er/b.txt", "other/a", "other/c.log"),
)
LINKS = {"ln-file": "kept/one", "ln-dir": "sub", "ln-none": "nowhere", "sub/ln-up": "../kept", "kept/ln": "two.txt"}
PATTERNS = (
    *NAMES,
    *("*", "**", "*.log", "**/*.log", "**/a", "sub", "sub/", "/sub", "/a", "sub/*", "sub/**", "sub/**/c.log", "s?b"),
    *("?", "[a-c]*", "[^k]*", "*/a", "*/*/c.log", "./a", "sub/../a", "sub//a", "\\!m", "\\#n", "x\\[1\\]", "[\\^]o"),
    *(
        "# comment",
        " # comment",
        "",
        "  a  ",
        "\ta",
        "**/deep/**",
        "**/er",
        "ln-*",
        "infrastructure",
        "infrastructure/**",
    ),
    *("!sub/a", "!sub/b.txt", "!kept", "!kept/in", "!**/b.txt", "!sub/deep", "! a", "!*.log", "!**", "!sub/deep/er/a"),
)
MALFORMED = ("[", "[a", "a\\", "[]", "[a-]", "!", "sub/[", "!/", "[^]")
SOURCES = (
    *("kept", "kept/", "kept/one", "kept/*", "./kept/in", "/kept/one", "kept/../kept/two.txt", "sub*", "s?b", "*.txt"),
    *("[a-c]*", "*/a*", "ln-f*", "ln-*", "o*r", "ü*", "kept/l*", "*", ".", "./", ".", "x[[]1]*"),
)
NOXFILE = """\
from goldi_tasks.sessions import container_session

show = container_session("show", "cat", "/shown")
"""
# By kind an instruction; {n} is its number, {s} a source in the context, {from} an earlier stage or a named context.
PLAIN = {
    "copy": "COPY {s} /n{n}/",
    "copy of all": "COPY . /n{n}/",
    "copy of two": "COPY kept/one {s} /n{n}/",
    "copy as JSON": 'COPY ["d e*", "kept/one", "/n{n}/"]',
    "copy with mode": "COPY --chmod=640 kept/two.txt /n{n}/",
    "copy with owner": "COPY --chown=3:4 {s} /n{n}/",
    "copy --link": "COPY --link {s} /n{n}/",
    "copy of a variable": "COPY kept/${{V:-one}}* kept/t${{W}}* /n{n}/",
    "add": "ADD {s} /n{n}/",
    "add of an archive": "ADD kept/z.tar /n{n}/",
    "here-document": "COPY <<EOF /n{n}\nhere $V ${{W:-w}}\nEOF",
    "here-document, quoted": 'COPY <<-"EOF" /n{n}\n\there $V\n\tEOF',
    "arg": "ARG V",
    "arg with default": "ARG W=w{n}",
    "env": "ENV W=${{V:-none}} U=u{n}",
    "env against arg": "ARG V=arg{n}\nENV V=env{n}",
    "label": 'LABEL n{n}="$V ${{W}} ${{X:-y}} ${{X-y}} ${{V:+set}} ${{W+set}}"',
    "workdir": "WORKDIR /w${{V}}",
    "user and the like": 'USER 0\nEXPOSE 8{n}\nSTOPSIGNAL 9\nVOLUME /v{n}\nCMD ["sh"]',
    "onbuild": "ONBUILD COPY kept/one /onbuild{n}/",
}
RUNS = {
    "run": "RUN cat /base/one > /n{n}",
    "run of JSON": 'RUN ["sh", "-c", "echo $V > /n{n}"]',
    "run with variables": 'RUN echo "$V ${{W:-w}} ${{X-y}} $APP $HTTP_PROXY $SOURCE_DATE_EPOCH" > /n{n}',
    "run, continued": "RUN echo a \\\n  # comment\n  b > /n{n}",
    "run of a here-document": "RUN <<EOF\necho here $V\ncat /base/one > /n{n}\nEOF",
    "bind mount": "RUN --mount=type=bind,source=kept,target=/m cat /m/one > /n{n}",
    "bind mount of all": "RUN --mount=target=/m ls /m > /n{n}",
    "bind mount, writable": "RUN --mount=target=/m,rw echo x > /m/new && ls /m > /n{n}",
    "bind mount of a variable": "ARG M=kept\nRUN --mount=source=${{M}},target=/m ls /m > /n{n}",
    "cache mount": "RUN --mount=type=cache,target=/c echo y > /c/y && echo x > /n{n}",
    "tmpfs mount": "RUN --mount=type=tmpfs,target=/t echo y > /t/y && echo x > /n{n}",
    "secret mount": "RUN --mount=type=secret,id=s,target=/s cat /s > /n{n} || true",
    "ssh mount": "RUN --mount=type=ssh echo x > /n{n}",
    "proxy": "ARG HTTP_PROXY\nRUN echo $HTTP_PROXY > /n{n}",
    "date": "ARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /n{n}",
}
FROM = {"copy --from": "COPY --from={from} /base/one /n{n}/"}
RUNS_FROM = {
    "bind mount --from": "RUN --mount=type=bind,from={from},source=/base,target=/m cat /m/one > /n{n}",
    "cache mount --from": "RUN --mount=type=cache,from={from},source=/base,target=/c,id=c{n} ls /c > /n{n}",
}


def make(case: Case) -> None:
    """Make a project of the case's random numbers, and a base image if it has one of its own."""
    rng = case.rng
    named = _choose_bake(case)
    _make_tree(case.root, rng)
    folder = case.project / BAKE_FILE.parent
    folder.mkdir(parents=True)
    if rng.random() < 0.3 and not case.checks:
        case.bases.append(f"{case.image}:base")
        rebuild_base(case)
    base = case.bases[0] if case.bases else case.base
    (case.project / "pyproject.toml").write_text('[project]\nname = "random"\n[tool.goldi]\n')
    # With a name for each: where one is missing goldi writes down what is there.
    (folder / ".env").write_text(f"PYTHON_IMAGE={base}\nNODE_IMAGE={base}\n")
    if named == "a directory":
        for place in ("base/one", "base/two", "a", "b.txt"):
            _write(case.project / "named" / place, rng)
    if case.checks:
        (folder / "scripts").mkdir()
        shutil.copy(REPOSITORY / "infrastructure/docker/scripts/online.sh", folder / "scripts")
        (case.project / "noxfile.py").write_text(NOXFILE)
    files = _write_dockerfiles(case, base, named)
    (case.project / BAKE_FILE).write_text(json.dumps(_bake(case, files, named), indent=1))
    if rng.random() < 0.25:
        case.kinds.append("git")
        case.run("git", "init", "--quiet", "--separate-git-dir", str(case.folder / "git"))
        commit(case)
        if rng.random() < 0.4:
            case.env["BUILDX_GIT_LABELS"] = rng.choice(("1", "full"))
    if rng.random() < 0.1:
        configure_client(case, "http://first.invalid:1")
    case.paths = sorted(case.project.rglob("*"))


def commit(case: Case) -> None:
    """Commit what is there."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
    case.run("git", "add", "--all")
    case.run("git", *who, "commit", "--quiet", "--allow-empty", "--message", "all of it")


def configure_client(case: Case, proxy: str) -> None:
    """Give docker's client a configuration of the case's own, with a proxy for builds."""
    folder = case.folder / "client"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": proxy}}}))
    case.env["DOCKER_CONFIG"] = str(folder)


def rebuild_base(case: Case) -> None:
    """Build the case's own base image under its tag, each time another one."""
    rng = case.rng
    lines = [f"FROM {case.base}", f"LABEL made={rng.random()}"]
    lines += ["ENV V=base"] if rng.random() < 0.4 else []
    lines += ["ONBUILD COPY kept /onbuild/"] if rng.random() < 0.3 else []
    lines += ["ONBUILD ARG V=onbuild\nONBUILD RUN echo $V > /onbuilt"] if rng.random() < 0.2 else []
    argv = ("docker", "buildx", "build", "--quiet", "--provenance=false", "--tag", case.bases[0], "-")
    case.run(*argv, text="\n".join(lines) + "\n")
    case.kinds += [word for word in ("ONBUILD", "ENV V") if word in "\n".join(lines)]


def ignore_files(case: Case) -> list[Path]:
    """The ignore files of a case."""
    return sorted(case.project.rglob("*.dockerignore"))


def dockerfiles(case: Case) -> list[Path]:
    """The Dockerfiles of a case."""
    return sorted(path for path in case.project.rglob("*") if path.name.endswith("Dockerfile") and path.is_file())


def text_of(rng: Random) -> str:
    """A random word."""
    return "".join(rng.choices("abcdefgh", k=rng.randint(1, 6)))


def pattern(rng: Random, malformed: float = 0.01) -> str:
    """A random line of an ignore file."""
    return rng.choice(MALFORMED if rng.random() < malformed else PATTERNS)


def instruction(case: Case, number: int, origins: list[str], shell: bool = True) -> str:
    """A random instruction of a Dockerfile; without a `shell` none that runs."""
    plain = {**PLAIN, **(FROM if origins else {})}
    runs = {**RUNS, **(RUNS_FROM if origins else {})} if shell else {}
    kind = case.rng.choice(sorted(plain if not runs or case.rng.random() < 0.55 else runs))
    case.kinds.append(kind)
    origin = case.rng.choice(origins) if origins else ""
    return {**plain, **runs}[kind].format(n=number, s=case.rng.choice(SOURCES), **{"from": origin})


def _choose_bake(case: Case) -> str:
    """Choose what is built, and return what the named context is, "" if there is none."""
    rng = case.rng
    if case.checks:
        case.name, case.targets = "tools", ("tools",)
        return ""
    kind = rng.choices(("target", "group", "group of groups", "matrix"), (16, 3, 1, 1))[0]
    case.kinds.append(kind)
    if "group" in kind:
        case.name, case.targets = ("all" if kind == "group" else "every"), ("app", "other")
    elif kind == "matrix":
        case.targets = ("app-one", "app-two")
    if rng.random() < 0.06:
        case.context = "part"
        case.kinds.append("context is a subdirectory")
    choices = ("", "a directory", "an image", *(("a target",) if "group" in kind else ()))
    named = rng.choice(choices) if rng.random() < 0.15 else ""
    case.kinds += [f"named context: {named}"] if named else []
    return named


def _place(rng: Random) -> str:
    usual = "infrastructure/docker/Dockerfile"
    return (
        usual
        if rng.random() < 0.6
        else rng.choice(("infrastructure/docker/app.Dockerfile", "Dockerfile", "d f/Dockerfile"))
    )


def _write_dockerfiles(case: Case, base: str, named: str) -> list[str]:
    """Write the Dockerfiles of the targets, and ignore files wherever there may be some; returns their paths."""
    rng = case.rng
    files = [_place(rng)]
    if "group" in case.kinds or "group of groups" in case.kinds:
        files.append(f"infrastructure/docker/{rng.choice('xy')}.Dockerfile")
    ignored = [case.root / ".dockerignore", *([case.project / "named/.dockerignore"] if named == "a directory" else [])]
    for place in files:
        path = case.project / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_dockerfile(case, base, named if place == files[0] else ""))
        ignored.append(path.with_name(f"{path.name}.dockerignore"))
    for path in ignored:
        if rng.random() < 0.55:
            _write_ignore(case, path)
    return files


def _bake(case: Case, files: list[str], named: str) -> dict[str, Any]:
    rng = case.rng
    common: dict[str, Any] = {
        "context": case.context,
        "args": {"PYTHON_IMAGE": "${PYTHON_IMAGE}", "APP": "${GOLDI_APP}", "V": "${BAKE_V}"},
    }
    if rng.random() < 0.5:
        del common["args"]["V"]
    extras: dict[str, Any] = {
        "labels": {"bake": "${BAKE_W}"},
        "attest": ["type=provenance,disabled=true"],
        "secret": ["type=env,id=s,env=BAKE_SECRET"],
        "target": "last",
        "network": "none",
    }
    chosen = [name for name in extras if rng.random() < 0.3]
    common |= {name: extras[name] for name in chosen}
    case.kinds += [f"bake: {name}" for name in chosen]
    reference = {
        "a directory": "named",
        "an image": f"docker-image://{(case.bases or [case.base])[0]}",
        "a target": "target:other",
    }
    first = {"contexts": {"named": reference[named]}} if named else {}
    targets: dict[str, Any] = {"_common": common}
    for number, place in enumerate(files):
        name = ("tools" if case.checks else "app", "other")[number]
        targets[name] = {
            "inherits": ["_common"],
            "tags": [f"${{GOLDI_IMAGE}}:{name}"],
            **(first if name != "other" else {}),
        }
        targets[name]["dockerfile"] = os.path.relpath(place, case.context)
        if rng.random() < 0.05 and not case.checks:
            del targets[name]["dockerfile"]
            text = (case.project / place).read_text(encoding="utf-8")
            # As bake writes what is none of its own variables.
            targets[name]["dockerfile-inline"] = text.replace("${", "$${")
            case.kinds.append("dockerfile-inline")
    if "matrix" in case.kinds:
        values = {"name": "app-${x}", "matrix": {"x": ["one", "two"]}, "tags": ["${GOLDI_IMAGE}:app-${x}"]}
        targets["app"] |= {**values, "args": {"X": "${x}"}}
    groups = {"default": {"targets": [next(name for name in targets if name != "_common")]}}
    groups |= {"all": {"targets": ["app", "other"]}, "every": {"targets": ["all"]}} if "other" in targets else {}
    names = {"PYTHON_IMAGE": "", "GOLDI_APP": ".", "GOLDI_IMAGE": "x", "BAKE_V": "one", "BAKE_W": "w"}
    return {"variable": {name: {"default": value} for name, value in names.items()}, "group": groups, "target": targets}


def _make_tree(root: Path, rng: Random) -> None:
    for name in (*KEPT, *rng.sample(NAMES, rng.randint(5, len(NAMES)))):
        _write(root / name, rng)
    with tarfile.open(root / "kept/z.tar", "w") as tar:
        member = tarfile.TarInfo("packed")
        member.size = 3
        tar.addfile(member, io.BytesIO(text_of(rng).ljust(3).encode()[:3]))
    for name in rng.sample(sorted(LINKS), rng.randint(0, 3)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).symlink_to(LINKS[name])
    if rng.random() < 0.3:
        (root / "empty").mkdir()
    if rng.random() < 0.15:
        os.utime(root / "kept/one", (rng.choice((1, 4_000_000_000)),) * 2)


def _write(path: Path, rng: Random) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text_of(rng))
    path.chmod(rng.choice((0o644, 0o644, 0o600, 0o755)))


def _write_ignore(case: Case, path: Path) -> None:
    rng = case.rng
    lines = [pattern(rng) for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.9:
        lines += ["!kept", *(["!infrastructure"] if case.checks else [])]
    text = "\n".join(lines) + rng.choice(("\n", "", "\n\n"))
    data = _as_written(case, text, "ignore file").encode()
    if rng.random() < 0.15:
        case.kinds.append("ignore file is a link")
        (path.parent / "ignored-here").write_bytes(data)
        path.symlink_to("ignored-here")
    else:
        path.write_bytes(data)
    case.kinds.append(f"ignore file: {path.relative_to(case.project)}")
    case.kinds += ["ignore file with !"] if any(line[:1] == "!" and line != "!kept" for line in lines) else []
    case.kinds += ["malformed ignore file"] if any(line in MALFORMED for line in lines) else []


def _as_written(case: Case, text: str, what: str) -> str:
    """Write a text with CRLF or a byte order mark, sometimes."""
    if case.rng.random() < 0.12:
        case.kinds.append(f"{what} with CRLF")
        text = text.replace("\n", "\r\n")
    if case.rng.random() < 0.08:
        case.kinds.append(f"{what} with BOM")
        text = f"\ufeff{text}"
    return text


def _dockerfile(case: Case, base: str, named: str) -> bytes:
    rng = case.rng
    head = ["ARG PYTHON_IMAGE", "ARG V=global", "ARG W"]
    rng.shuffle(head)
    directive = rng.choices(("", "# escape=`", "# check=skip=all", "# comment"), (6, 1, 1, 1))[0]
    case.kinds += [directive] if directive else []
    head = [*filter(None, (directive,)), *head]
    origins, number = ["named"] if named else [], 0
    # Those without a shell; what another target makes may have none.
    bare = {"scratch", *(["named"] if named == "a target" else [])}
    names = [*(f"s{stage}" for stage in range(rng.randint(0, 2))), "last"]
    for name in names:
        below = rng.choices(("${PYTHON_IMAGE}", base, "$PYTHON_IMAGE", "scratch", ""), (8, 2, 2, 1, 3))[0]
        if not below:
            below = rng.choice([one for one in origins if one != "named" or named != "a directory"] or [base])
        if case.checks and name == "last":
            below = "${PYTHON_IMAGE}"
        if below in bare:
            bare.add(name)
        case.kinds += [f"FROM {below}"] if below in ("scratch", "named") else []
        head += ["", f"FROM {below} AS {name}", "COPY kept/one kept/ba* /base/"]
        for _ in range(rng.randint(1, 3)):
            head.append(instruction(case, number, origins, below not in bare))
            number += 1
        origins.append(name)
    if case.checks:
        head.append("COPY --chmod=755 infrastructure/docker/scripts/online.sh /usr/local/bin/online")
        head.append("RUN { cat $(ls -d /n*) $(ls -d /n*/*); ls -R /n*; echo shown; } > /shown 2>/dev/null; true")
    text = "\n".join(head) + "\n"
    if directive == "# escape=`":
        text = text.replace("\\\n", "`\n")
    return _as_written(case, text, "Dockerfile").encode()
