import base64
import re
import shlex
import stat
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from goldi_tasks import command, network
from goldi_tasks import settings as project_settings
from goldi_tasks.network import Network, apt_config, git_settings, logins, npm_config, python_indexes
from goldi_tasks.network.config_files import Files

AWKWARD = "http://u:p'w $(touch pwned)@proxy:3128"


def lines(told: dict[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in told.items())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/uv").mkdir()
    return tmp_path


def environ(home: Path, **more: str) -> dict[str, str]:
    """A user whose machine says nothing."""
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "etc"), "PATH": "/nonexistent", **more}


def pip(environ: dict[str, str]) -> dict[str, str]:
    return python_indexes.pip_variables(python_indexes.read_pip(environ, Files()))


def test_nothing_to_tell() -> None:
    assert Network().variables() == {}
    assert Network({"HTTP_PROXY": "", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "x"}).variables() == {}


def test_a_shell_reads_back_what_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_read_once", lambda frontend: Network({"https_proxy": AWKWARD}))
    (tmp_path / "pyproject.toml").touch()
    settings = project_settings.load(tmp_path, {})
    assert shlex.split(network.text(settings)) == ["export", f"https_proxy={AWKWARD}"]
    assert shlex.split(network.text(settings, with_logins=False)) == ["export", "https_proxy=http://proxy:3128"]
    for chosen, there in (("all", True), ("no-logins", True), ("none", False)):
        assert bool(network.text(project_settings.load(tmp_path, {"GOLDI_HOST_NETWORK": chosen}))) is there
    assert "p'w" not in network.text(project_settings.load(tmp_path, {"GOLDI_HOST_NETWORK": "no-logins"}))


def test_a_password_that_is_not_utf_8_is_passed_and_hidden() -> None:
    told = Network({"https_proxy": "http://u:p\udce9@proxy:3128"})
    assert "p\udce9@proxy" in told.variables()["https_proxy"]
    assert base64.b64encode(b"u:p\xe9").decode() in told.secrets


@pytest.mark.parametrize(
    "switch", [{"PIP_CONFIG_FILE": "/dev/null"}, {"PIP_ISOLATED": "1"}, {"PIP_CONFIG_FILE": "mirror.conf"}]
)
def test_what_turns_pips_files_off_is_heeded(
    home: Path, switch: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    Path("mirror.conf").write_text("[global]\nindex-url = https://mirror/simple\n")
    (home / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://private/simple\nextra-index-url = https://x\n"
    )
    assert pip(environ(home))["PIP_INDEX_URL"] == "https://private/simple"
    found = pip(environ(home, **switch))
    assert found == (
        {"PIP_INDEX_URL": "https://mirror/simple"} if switch.get("PIP_CONFIG_FILE") == "mirror.conf" else {}
    )


def test_a_section_of_a_command_wins_over_a_stronger_file(home: Path) -> None:
    (home / "etc/pip").mkdir(parents=True)
    (home / "etc/pip/pip.conf").write_text("[install]\nindex-url = https://of-install\n")
    (home / ".config/pip/pip.conf").write_text("[global]\nindex-url = https://everywhere\ntimeout = 7\n")
    assert pip(environ(home)) == {"PIP_INDEX_URL": "https://of-install", "PIP_TIMEOUT": "7"}


def test_a_file_that_is_not_valid_is_told_and_says_nothing(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text("index-url = x\n")
    (home / ".config/uv/uv.toml").write_text("[")
    (home / ".netrc").write_text("machine\n")
    files = Files()
    python_indexes.read_pip(environ(home), files)
    assert python_indexes.read_uv(environ(home), files) == {}
    assert logins.Netrc(environ(home), files).lines(["x"]) == []
    assert [problem.partition(" is ignored: ")[0] for problem in files.problems] == [
        str(home / name) for name in (".config/pip/pip.conf", ".config/uv/uv.toml", ".netrc")
    ]


def test_pips_files_speak_for_uv_too(home: Path) -> None:
    (home / ".config/pip/pip.conf").write_text(
        "[global]\nindex_url = https://u:pw@strong/simple\nextra-index-url =\n  https://a/s\n  file:///opt/x\n"
    )
    told = python_indexes.variables(pip(environ(home)), {})
    assert told == {
        "PIP_INDEX_URL": "https://u:pw@strong/simple",
        "PIP_EXTRA_INDEX_URL": "https://a/s",
        "UV_DEFAULT_INDEX": "https://u:pw@strong/simple",
        "UV_EXTRA_INDEX_URL": "https://a/s",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert python_indexes.without_logins(told)["UV_DEFAULT_INDEX"] == "https://strong/simple"


UV = """
    [[index]]
    name = "own"
    url = "https://own/simple"
    [[index]]
    url = "https://mirror/simple"
    default = true
"""


def test_uvs_file_speaks_for_pip_too(home: Path) -> None:
    (home / ".config/uv/uv.toml").write_text(dedent(UV))
    told = {"UV_INDEX": "own=https://own/simple", "UV_DEFAULT_INDEX": "https://mirror/simple"}
    assert python_indexes.read_uv(environ(home), Files()) == told
    assert python_indexes.variables({}, told) == {**told, "PIP_INDEX_URL": "https://mirror/simple"}


def test_what_turns_uvs_files_off_is_heeded(home: Path) -> None:
    (home / ".config/uv/uv.toml").write_text(dedent(UV))
    (home / "other.toml").write_text('[pip]\nindex-url = "https://m"')
    assert python_indexes.read_uv(environ(home, UV_NO_CONFIG="1"), Files()) == {}
    named = environ(home, UV_CONFIG_FILE=str(home / "other.toml"))
    assert python_indexes.read_uv(named, Files()) == {"UV_INDEX_URL": "https://m"}


def test_npms_files_are_one_and_their_variables_filled_in(home: Path) -> None:
    (home / ".npmrc").write_text(
        "https-proxy=\nproxy=\nregistry = https://npm.corp/\nstrict-ssl\ninit.author=me\ncafile=/etc/ca.pem\n"
        "//npm.corp/:_authToken=${TOKEN}\n@corp:registry=https://npm.corp/c/\n"
    )
    user = environ(home) | {"TOKEN": "hunt;er2"}
    found = npm_config.read(user, Files())
    told = npm_config.variables(user, found, "")
    assert npm_config.decode(told["GOLDI_NPMRC"]) == {
        "https-proxy": "",
        "proxy": "",
        "registry": "https://npm.corp/",
        "strict-ssl": True,
        "//npm.corp/:_authToken": "hunt;er2",
        "@corp:registry": "https://npm.corp/c/",
    }
    assert "hunt;er2" in set(npm_config.secrets(user, found, ""))
    assert "hunt" not in npm_config.variables(user, found, "", with_logins=False)["GOLDI_NPMRC"]


def test_what_the_projects_npmrc_asks_for_is_handed_over() -> None:
    user = {"NPM_TOKEN": "tttt", "HOST": "h", "OTHER": "o"}
    text = "//h/:_authToken = ${NPM_TOKEN?} ; ${OTHER}\nregistry=https://${HOST}/\nproxy=\n"
    assert npm_config.variables(user, {}, text) == {"NPM_TOKEN": "tttt", "HOST": "h"}
    assert npm_config.variables(user, {}, text, with_logins=False) == {"HOST": "h"}
    assert set(npm_config.secrets(user, {}, text)) == {"tttt"}


def test_only_logins_of_servers_that_are_used_leave_the_netrc(home: Path) -> None:
    (home / ".netrc").write_text(
        'machine mirror login me password "hun ter2"\nmachine npm.corp login me password bears\n'
        "machine github.com login me password private\n"
    )
    found = Network(pip={"PIP_INDEX_URL": "https://mirror:8443/simple"}, npmrc={"//npm.corp/:x": "y"})
    found = Network(pip=found.pip, npmrc=found.npmrc, netrc=logins.Netrc(environ(home), Files()))
    both = 'machine mirror login me password "hun ter2"\nmachine npm.corp login me password bears\n'
    assert found.variables()["GOLDI_NETRC"] == both
    assert found.variables("python")["GOLDI_NETRC"] == both.splitlines(keepends=True)[0]
    assert "GOLDI_NETRC" not in found.variables(with_logins=False)
    assert {"hun ter2", "bears"} < found.secrets
    assert "private" not in found.secrets


def test_a_program_is_told_what_is_its_own() -> None:
    found = Network(
        {"HTTP_PROXY": "http://proxy"},
        pip={"PIP_INDEX_URL": "https://i"},
        npmrc={"registry": "https://r"},
        apt=apt_config.Apt(mirror="https://m/debian"),
        git_config=(("http.proxy", "http://g"),),
    )
    assert found.variables("python").keys() == {"HTTP_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "GOLDI_GIT_CONFIG"}
    assert found.variables("npm").keys() == {"HTTP_PROXY", "GOLDI_NPMRC", "GOLDI_GIT_CONFIG"}
    assert found.variables("apt").keys() == {"HTTP_PROXY", "GOLDI_APT_SED"}


def test_gits_proxies_and_other_names_of_addresses() -> None:
    entries = (
        ("http.proxy", "http://u:pw@p:1"),
        ("url.https://tok@h/.insteadof", "https://h/"),
        ("http.https://x.proxy", "p:2"),
    )
    assert git_settings.variables(entries)["GOLDI_GIT_CONFIG"].count("\n") == 3
    assert git_settings.variables(entries, with_logins=False) == {"GOLDI_GIT_CONFIG": "http.https://x.proxy\tp:2\n"}
    assert {"pw", "tok"} < git_settings.secrets(entries)


def test_apts_proxy_mirror_and_logins() -> None:
    auth = "# machine no login x password y\nmachine mirror.corp/debian-security\nlogin you password bears\n"
    auth += "machine o login a password b\n"
    apt = apt_config.Apt(
        ('Acquire::http::Proxy "http://u:pw@proxy:3128";',),
        "http://me:hunter2@mirror.corp/debian",
        "http://mirror.corp/debian-security",
        tuple(apt_config._parse_auth(auth)),
    )
    told = apt_config.variables(apt)
    assert told["GOLDI_APT_CONF"] == 'Acquire::http::Proxy "http://u:pw@proxy:3128";\n'
    assert "hunter2" not in told["GOLDI_APT_SED"]
    assert told["GOLDI_APT_SED"].index("security") < told["GOLDI_APT_SED"].index("#http://mirror.corp/debian\\1#g")
    assert told["GOLDI_APT_AUTH"].splitlines() == [
        "machine http://mirror.corp/debian login me password hunter2",
        "machine mirror.corp/debian-security login you password bears",
    ]
    assert {"pw", "hunter2", "bears"} < set(apt_config.secrets(apt))
    plain = apt_config.variables(apt, with_logins=False)
    assert plain.keys() == {"GOLDI_APT_CONF", "GOLDI_APT_SED"}
    assert "pw" not in plain["GOLDI_APT_CONF"]


def test_sources_of_an_image_become_the_mirrors() -> None:
    apt = apt_config.Apt(mirror="https://u:p@m/de&bian/debian", security="https://m/de&bian/debian-security")
    told = apt_config.variables(apt)
    rules = [line.split("#")[1:3] for line in told["GOLDI_APT_SED"].splitlines()]
    text = (
        "URIs: http://official/debian\ndeb http://official/debian-security/ x main\nURIs: http://s/archive/debian/2025"
    )
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement.replace("\\&", "&"), text, flags=re.MULTILINE)
    assert text.splitlines() == [
        "URIs: https://m/de&bian/debian",
        "deb https://m/de&bian/debian-security x main",
        "URIs: http://s/archive/debian/2025",
    ]


def test_passwords_are_known_as_such() -> None:
    found = Network(
        {
            "https_proxy": "http://user:p%40ss@proxy:1",
            "http_proxy": "me:sla/sh@proxy:2",
            "NPM_TOKEN": "npms",
        },
        pip={"PIP_INDEX_URL": "https://token-as-user@mirror/simple"},
        uv={"UV_INDEX_OWN_PASSWORD": "uvs", "UV_INDEX_OWN_USERNAME": "somebody"},
        npmrc={"//r/:_authToken": "registrys", "//r/:_password": "YmVhcnM=", "//r/:username": "me"},
        npm_project="x:_authToken=${NPM_TOKEN}",
    )
    expected = {"p%40ss", "p@ss", "sla/sh", "token-as-user", "uvs", "npms", "registrys", "bears"}
    expected |= {
        base64.b64encode(pair).decode() for pair in (b"user:p@ss", b"token-as-user:", b"me:bears", b"me:sla/sh")
    }
    assert expected <= found.secrets
    assert "somebody" not in found.secrets
    assert "registrys" not in repr(found)
    assert not [secret for secret in expected if secret in lines(found.variables(with_logins=False))]


@pytest.mark.parametrize(
    ("address", "login", "plain"),
    [
        ("https://u:p@h/simple", "u:p", "https://h/simple"),
        ("https://u:p'\"#;w@h:1/simple", "u:p'\"#;w", "https://h:1/simple"),
        ("http://u:sla/sh@h:3128", "u:sla/sh", "http://h:3128"),
        ("u:p@w@h:1", "u:p@w", "h:1"),
        ("https://h/@scope/x", "", "https://h/@scope/x"),
        ("https://h:8443/@scope/x", "", "https://h:8443/@scope/x"),
        ("http://[::1]:1/@x", "", "http://[::1]:1/@x"),
        ("https://tok@h", "tok", "https://h"),
        ("not one", "", "not one"),
    ],
)
def test_an_address_without_its_login(address: str, login: str, plain: str) -> None:
    assert logins.split(address) == (login, plain)
    assert logins.without(f"{address} x {address}") == f"{plain} x {plain}"
    secret = login.partition(":")[2] or login
    assert secret in {*logins.secrets(address), ""}


def test_what_is_hidden_is_hidden_line_by_line_and_encoded() -> None:
    command.hide(["one line\nanother line"])
    assert command.mask("see another line, and b25lIGxpbmUKYW5vdGhlciBsaW5l") == "see ***, and ***"


def test_the_file_is_for_its_user_alone_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(network, "_read_once", lambda frontend: Network({"https_proxy": AWKWARD}))
    (tmp_path / "pyproject.toml").touch()
    settings = project_settings.load(tmp_path, {})
    left: Any = None
    with network.file(settings, with_logins=True) as told:
        assert stat.S_IMODE(told.stat().st_mode) == 0o600
        assert stat.S_IMODE(told.parent.stat().st_mode) == 0o700
        assert "p'\"'\"'w" in told.read_text()
        left = told
    assert not left.parent.exists()
