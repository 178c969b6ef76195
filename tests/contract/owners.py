"""Generated configurations of pip, uv and npm, and what the programs themselves make of them."""

import ast
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from goldi_tasks.network import npm_config
from goldi_tasks.network.config_files import Files

# Each case in a process of its own that has the program loaded already.
PIP = r"""
import contextlib, io, json, os, sys
from pip._internal.cli.main import main
from pip._internal.commands import create_command
import pip._internal.commands.configuration, pip._internal.commands.install

OPTIONS = ("index_url", "extra_index_urls", "trusted_hosts", "proxy", "timeout", "retries", "no_index",
           "deprecated_features_enabled")

def judge(case):
    os.environ.clear()
    os.environ.update(case["environ"])
    sys.prefix = case["prefix"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = main(["config", "list"])
        except (SystemExit, Exception) as end:
            code = getattr(end, "code", 1)
        try:
            found = create_command("install").parser.parse_args([])[0]
            options = {name: getattr(found, name) for name in OPTIONS}
            options["no_index"] = bool(options["no_index"])
            options["find_links"] = [link for link in found.find_links if link.startswith("http")]
        except (SystemExit, Exception):
            options = None
    return {"code": code, "out": out.getvalue(), "options": options}

for line in sys.stdin:
    case = json.loads(line)
    read, write = os.pipe()
    if os.fork() == 0:
        answer = json.dumps(judge(case)).encode()
        with os.fdopen(write, "wb") as file:
            file.write(answer)
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        sys.stdout.write(file.read().decode() + "\n")
    os.wait()
"""
# `npm config` shows no logins, so its own module is asked.
NPM = r"""
const fs = require('fs'), path = require('path')
const npm = path.dirname(path.dirname(fs.realpathSync(process.argv[1])))
const Config = require(require.resolve('@npmcli/config', { paths: [npm] }))
let defs
try {
  defs = require(require.resolve('@npmcli/config/lib/definitions', { paths: [npm] }))
} catch {
  // npm 9.
  defs = require(path.join(npm, 'lib/utils/config'))
}
async function main () {
  const cases = JSON.parse(fs.readFileSync(0, 'utf8'))
  const answers = []
  for (const one of cases) {
    const config = new Config({ ...defs, npmPath: npm, env: one.environ, argv: ['node', 'npm'], cwd: one.cwd,
      execPath: one.node, warn: false })
    try {
      await config.load()
      const data = {}
      for (const where of ['builtin', 'global', 'user', 'env']) {
        for (const [key, value] of Object.entries(config.data.get(where).data)) data[key] = value
      }
      answers.push({ data })
    } catch (error) {
      answers.push({ error: String(error) })
    }
  }
  fs.writeSync(1, JSON.stringify(answers))
}
main()
"""


@dataclass
class Case:
    """A user: a directory with files, and an environment that leads to them."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        """Write a file of the user's; what is not UTF-8 may stand in it."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode(errors="surrogateescape"))
        return file


def check_npm(users: "Sequence[Case]", judged: Sequence[dict[str, Any]]) -> None:
    """Hold our reading, and what npm makes of the file that we write, against npm's own."""
    failed = 0
    for user, answer in zip(users, judged, strict=True):
        if "error" in answer:
            failed += 1
            continue
        said = {npm_config._key_of_variable(name) for name in user.environ if name.lower().startswith("npm_config_")}
        ours, theirs = (
            {
                key: value
                for key, value in found.items()
                if npm_config._KEYS.fullmatch(key) and npm_config._key_of_variable(f"npm_config_{key}") not in said
            }
            for found in (npm_config.read(user.environ, Files()), answer["data"])
        )
        assert _texts(ours) == _texts(theirs), user.folder
        handed = npm_config.decode(npm_config.encode(ours))
        environ = dict.fromkeys(user.environ, "not this")
        back = {
            npm_config.expand(key, environ): npm_config._expand_value(value, environ) for key, value in handed.items()
        }
        assert _texts(back) == _texts(ours), user.folder
    assert failed < len(users) / 10


def _texts(npmrc: Mapping[str, Any]) -> dict[str, str]:
    """Values as npm takes them: a number and its text are one, a list of one and that one too."""
    plain = {key: value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in npmrc.items()}
    plain = {key: str(value).lower() if isinstance(value, bool) else value for key, value in plain.items()}
    return {key: "" if value is None else str(value) for key, value in plain.items()}


def users(folder: Path, count: int, seed: int, make: Callable[[random.Random, Case], None]) -> list[Case]:
    """Make `count` users below `folder`."""
    found = []
    for number in range(count):
        case = Case(folder / str(number))
        (case.folder / "home").mkdir(parents=True)
        case.environ = {"HOME": str(case.folder / "home"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        make(random.Random(f"{seed} {number}"), case)  # noqa: S311 - for tests
        found.append(case)
    return found


ADDRESSES = (
    "https://a.invalid/simple", "https://u:p@b.invalid/simple", "http://tok%40en@c.invalid:8080/x/", "https://d.invalid",
)  # fmt: skip


def pip_user(choose: random.Random, case: Case) -> None:  # noqa: C901 - a list of chances
    """Write pip's files in some of their places, and some of its variables."""
    said: dict[str, tuple[str, ...]] = {
        "index-url": ADDRESSES,
        "index_url": ADDRESSES,
        "pypi-url": ADDRESSES,
        "extra-index-url": (*ADDRESSES, "\n  https://e.invalid/s\n  file:///opt/x", ""),
        "trusted-host": ("a.invalid b.invalid:8080", "\n  c.invalid"),
        "find-links": ("/opt/wheels", "https://f.invalid/links /opt/x"),
        "Timeout": ("7", "60"),
        "default-timeout": ("9",),
        "retries": ("3",),
        "proxy": ("http://u:p%40w@proxy.invalid:3128", "proxy.invalid:3128"),
        "no-index": ("true", "0", "off", "1"),
        "isolated": ("true", "no"),
        "use-deprecated": ("legacy-resolver",),
        "--cert": ("/etc/ca.pem",),
    }

    def text() -> str:
        if choose.random() < 0.05:
            return choose.choice(("index-url = x\n", "[global\n", "[global]\nx = \udcff\n", "[global]\nindex-url\n"))
        lines = []
        for section in choose.sample(("global", "install", "config", "freeze", "download"), choose.randint(1, 3)):
            lines.append(f"[{section}]")
            for key in dict.fromkeys(choose.choices(tuple(said), k=choose.randint(0, 4))):
                if key != "isolated" or choose.random() < 0.2:
                    sign = choose.choice((" = ", "=", ": "))
                    lines.append(f"{key}{sign}{choose.choice(said[key])}")
            lines.append(choose.choice(("", "; a comment", "# index-url = https://no.invalid")))
        return "\n".join(lines) + "\n"

    places = ["home/.pip/pip.conf", "home/.config/pip/pip.conf", "xdg/pip/pip.conf", "etc1/pip/pip.conf"]
    places += ["etc2/pip/pip.conf", "venv/pip.conf", "named.conf"]
    for place in choose.sample(places, choose.randint(0, 4)):
        case.write(place, text())
    if choose.random() < 0.3:
        case.environ["XDG_CONFIG_HOME"] = choose.choice((str(case.folder / "xdg"), ""))
    case.environ["XDG_CONFIG_DIRS"] = choose.choice((f"{case.folder}/etc1:{case.folder}/etc2", f"{case.folder}/etc2"))
    case.environ["VIRTUAL_ENV"] = str(case.folder / "venv")
    if choose.random() < 0.4:
        named = (str(case.folder / "named.conf"), "/dev/null", str(case.folder / "missing.conf"), "")
        case.environ["PIP_CONFIG_FILE"] = choose.choice(named)
    for key in choose.sample(tuple(said), choose.choice((0, 0, 1, 2))):
        if "-" not in key[:2] and key.lower() == key:
            case.environ[f"PIP_{key.upper().replace('-', '_')}"] = choose.choice(said[key]).strip()
    if choose.random() < 0.1:
        case.environ["PIP_ISOLATED"] = choose.choice(("1", "true", "0"))


def ask_pip(cases: Sequence[tuple[dict[str, str], Path]]) -> list[tuple[dict[str, str] | None, dict[str, Any] | None]]:
    """Return `pip config list` and the options of `pip install` for environments and prefixes; None where it fails."""
    asked = "".join(json.dumps({"environ": environ, "prefix": str(prefix)}) + "\n" for environ, prefix in cases)
    done = subprocess.run((sys.executable, "-c", PIP), input=asked, capture_output=True, text=True, check=True)
    found = []
    for answer in map(json.loads, done.stdout.splitlines()):
        pairs = (line.partition("=") for line in answer["out"].splitlines())
        known = {key: ast.literal_eval(value) for key, _, value in pairs} if answer["code"] == 0 else None
        found.append((known, answer["options"]))
    return found


def npm_user(choose: random.Random, case: Case) -> None:  # noqa: C901 - a list of chances
    """Write npm's files in some of their places, and some of its variables."""
    hosts = ("npm.corp.invalid/", "r.invalid:8443/api/npm/")
    token = (
        *("aaaa1111bbbb", "${NPM_TOKEN}", "${NOPE}", "${NOPE?}", '"quo;ted#"', "'single'", "a\\;b\\#c ; comment"),
        *("x=y==", "\\${NPM_TOKEN}", "\\\\${NPM_TOKEN}", "${NPM_TOKEN?}-${USER_NAME}", "caf\u00e9", "\\\\x"),
        *('"\\"in"', "1e3"),
    )

    def line() -> str:
        host = choose.choice(hosts)
        return choose.choice((
            f"registry=https://{host}",
            f"registry = 'https://{host}' ",
            "registry",
            f"@corp:registry=https://{host}",
            f"//{host}:_authToken={choose.choice(token)}",
            f"//{host}:_auth = {choose.choice(('dTpw', '${NPM_AUTH}'))}",
            f"//{host}:username={choose.choice(('me', '${USER_NAME}'))}",
            f"//{host}:_password={choose.choice(token)}",
            f"//{host}:certfile=/home/me/cert.pem",
            "https-proxy=", "proxy=", "proxy=http://u:p@proxy.invalid:3128", "https-proxy", "proxy=null",
            "noproxy=localhost,.corp.invalid", "noproxy[]=one.invalid", "noproxy[] = two.invalid",
            "strict-ssl=false", "strict-ssl", "fetch-retries=5", "fetch-timeout = 60000 ; slow", "maxsockets=3",
            "always-auth=true", "init.author.name=Me", "; a comment", "# registry=https://no.invalid",
            "", "   ", "=nothing", f"[section]\nregistry=https://{host}", f"${{KEY_NAME}}=https://{host}",
        ))  # fmt: skip

    def text() -> str:
        return choose.choice(("\n", "\r\n")).join(line() for _ in range(choose.randint(0, 7)))

    for place in choose.sample(("home/.npmrc", "etc/npmrc", "other.npmrc", "prefix/etc/npmrc"), choose.randint(1, 3)):
        lines = text()
        if place == "home/.npmrc" and choose.random() < 0.2:
            lines += f"\nglobalconfig={case.folder}/other.npmrc\n"
        if place == "home/.npmrc" and choose.random() < 0.2:
            lines += f"\nprefix={case.folder}/prefix\n"
        case.write(place, lines)
    case.environ |= {"NPM_TOKEN": "t0k;en", "USER_NAME": "some${ONE}", "KEY_NAME": "registry"}
    if choose.random() < 0.7:
        case.environ[choose.choice(("NPM_CONFIG_GLOBALCONFIG", "npm_config_globalconfig"))] = f"{case.folder}/etc/npmrc"
    if choose.random() < 0.2:
        case.environ["npm_config_userconfig"] = choose.choice((f"{case.folder}/other.npmrc", ""))
    if choose.random() < 0.2:
        case.environ["PREFIX"] = f"{case.folder}/prefix"
    if choose.random() < 0.3:
        case.environ["NPM_CONFIG_REGISTRY"] = "https://env.invalid/"
    if choose.random() < 0.2:
        case.environ["npm_config_//npm.corp.invalid/:_authToken"] = "of-the-environment"
    if choose.random() < 0.2:
        case.environ["npm_config_https_proxy"] = choose.choice(("http://p.invalid:1", ""))


def ask_npm(cases: Sequence[Case], argv: Sequence[str], npm: str, node: str) -> list[dict[str, Any]]:
    """Return what npm has read for each of `cases`; `argv` starts node, `npm` is the link that users start."""
    asked = [{"environ": case.environ, "cwd": str(case.folder), "node": node} for case in cases]
    done = subprocess.run((*argv, "-e", NPM, npm), input=json.dumps(asked), capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def uv_user(choose: random.Random, case: Case) -> None:  # noqa: C901 - a list of chances
    """Write uv's files in some of their places, and some of its variables."""

    def table() -> str:
        lines = []
        if choose.random() < 0.4:
            lines.append(f'index-url = "{choose.choice(ADDRESSES)}"')
        if choose.random() < 0.4:
            lines.append(f'extra-index-url = ["{choose.choice(ADDRESSES)}", "https://e.invalid/s"]')
        if choose.random() < 0.3:
            lines.append(f'find-links = ["https://f{choose.randint(0, 2)}.invalid/links"]')
        if choose.random() < 0.2:
            lines.append(f'index-strategy = "{choose.choice(("unsafe-best-match", "first-index"))}"')
        if choose.random() < 0.1:
            lines.append("no-index = true")
        return "\n".join(lines)

    def text() -> str:
        lines = [table()]
        if choose.random() < 0.3:
            lines.append('allow-insecure-host = ["h.invalid:8080"]')
        if choose.random() < 0.3:
            lines.append(f"[pip]\n{table()}")
        names = choose.sample(("one", "two", "three"), 3)
        default = choose.randint(0, 5)
        for number in range(choose.randint(0, 2)):
            name = f'name = "{names[number]}"\n' if choose.random() < 0.7 or number == default else ""
            more = "default = true\n" if number == default else ""
            lines.append(f'[[index]]\n{name}url = "{choose.choice(ADDRESSES)}"\n{more}')
        return "\n".join(lines)

    for place in choose.sample(("home/.config/uv/uv.toml", "etc/uv/uv.toml", "other.toml"), choose.randint(0, 3)):
        case.write(place, text())
    case.environ["XDG_CONFIG_DIRS"] = f"{case.folder}/none:{case.folder}/etc"
    if choose.random() < 0.2:
        case.environ["UV_NO_CONFIG"] = choose.choice(("1", "true", "0"))
    if choose.random() < 0.3 and (case.folder / "other.toml").exists():
        case.environ["UV_CONFIG_FILE"] = f"{case.folder}/other.toml"
    for name, value in (
        ("UV_INDEX", "env=https://env.invalid/simple"), ("UV_DEFAULT_INDEX", "https://default.invalid"),
        ("UV_INDEX_URL", "https://old.invalid"), ("UV_EXTRA_INDEX_URL", "https://extra.invalid https://more.invalid"),
        ("UV_INDEX_STRATEGY", "first-index"), ("UV_INSECURE_HOST", "i.invalid"),
    ):  # fmt: skip
        if choose.random() < 0.15:
            case.environ[name] = value


def uv_settings(shown: str) -> tuple[list[str], ...]:
    """Return of what `uv --show-settings` prints the default index, the others in their order, links and strategy."""
    blocks = re.findall(
        r"^ +(?:index_locations: IndexLocations \{.*?^ {4,8}\},|index_strategy: .*?$)", shown, re.M | re.S
    )
    text = "\n".join(blocks)
    indexes = []
    for index in re.findall(r"^ +Index \{.*?^ +default: \w+", text, re.M | re.S):
        given = re.search(r'given: Some\(\s*"(.*?)"', index)
        name = re.search(r'IndexName\(\s*"(.*?)"', index)
        indexes.append((index.endswith("true"), f"{name and name[1]}={given and given[1]}"))
    default = [index for is_default, index in indexes if is_default][:1]
    strategy = re.findall(r"index_strategy: \w+", text)
    return default, [index for is_default, index in indexes if not is_default], strategy


# What an env file's values are put together from.
PARTS = (
    *(
        "a",
        "b c",
        "\u00fc",
        "#",
        "#x",
        " # y",
        "=",
        "'",
        '"',
        "\\",
        "\n",
        "$",
        "$$",
        "${HOME}",
        "${NOPE:-d}",
        "$HOME",
        "\\$",
    ),
    *("`", "{", "}", ":", "/", "  ", "\t", "\\'", '\\"', "%", "!", "\\t", "${SET}", "$SET", "\\\\", "\r", "${SET:+x}"),
    *(
        "${NOPE+y}",
        "${NOPE-${SET}}",
        "${SET:-a}",
        "${EMPTY:-e}",
        "${EMPTY-e}",
        "${NOPE:-{a}}",
        "\\n",
        "$1",
    ),
)
ENVIRON = {"HOME": "/h", "SET": "set", "EMPTY": ""}


def env_lines(count: int, seed: int) -> dict[str, str]:
    """Make lines of an env file, by the variable that each sets."""
    choose = random.Random(seed)  # noqa: S311 - for tests
    found = {}
    for number in range(count):
        value = "".join(choose.choices(PARTS, k=choose.randint(0, 4)))
        quote = choose.choice(("", "", "", "'", '"'))
        value = value.replace(quote, "").rstrip("\\") if quote else value
        # A quote that is not closed is refused, and costs many questions to find.
        value = f"a{value}" if not quote and value.strip()[:1] in ("'", '"') and choose.random() < 0.95 else value
        value = value if quote else value.replace("\n", "")
        sign = choose.choice(("=", "=", "=", " = ", "= ", " =", ":", ": "))
        before, after = choose.choice(("", "export ", "", " ")), choose.choice(("", "", " # c", " "))
        found[f"V{number}"] = f"{before}V{number}{sign}{quote}{value}{quote}{after}\n"
    return found


def ask_compose(lines: Mapping[str, str], folder: Path) -> dict[str, str | None]:
    """Return what compose makes of each variable of an env file with `lines`; None where it refuses a line."""
    (folder / "env").write_text("".join(lines.values()), newline="")
    values = "".join(f"  {name}: ${{{name}-UNSET}}\n" for name in lines)
    (folder / "compose.yaml").write_text(f"services: {{}}\nx-values:\n{values}")
    argv = ("docker", "compose", "--file", "compose.yaml", "--env-file", "env", "config", "--format", "json")
    environ = {**ENVIRON, "PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        # It escapes what it would read again.
        return {name: value.replace("$$", "$") for name, value in json.loads(done.stdout)["x-values"].items()}
    if len(lines) == 1:
        return dict.fromkeys(lines)
    names = list(lines)
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    return {name: value for half in halves for name, value in ask_compose({n: lines[n] for n in half}, folder).items()}
