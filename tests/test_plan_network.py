import base64
import re
import shlex
from textwrap import dedent

import pytest

from goldi_tasks.network import Network
from goldi_tasks.plan.network import tell

AWKWARD = "http://u:p'w $(touch pwned)@proxy:3128"
DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n"


def variables(**found: object) -> dict[str, str]:
    """Names and values as a shell reads them back."""
    lines = tell(Network(**found)).lines  # type: ignore[arg-type]
    words = shlex.split(lines)
    assert words[::2] == ["export"] * (len(words) // 2)
    return dict(word.split("=", 1) for word in words[1::2])


def test_nothing_to_tell() -> None:
    assert tell(Network()).lines == ""
    assert variables(environ={"HTTP_PROXY": "", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "x"}) == {}


def test_a_shell_reads_back_what_was_meant() -> None:
    assert variables(environ={"https_proxy": AWKWARD}) == {"https_proxy": AWKWARD}


def test_a_password_that_is_not_utf_8_is_passed_and_hidden() -> None:
    told = tell(Network(environ={"https_proxy": "http://u:p\udce9@proxy:3128"}))
    assert "p\udce9@proxy" in told.lines
    assert base64.b64encode(b"u:p\xe9").decode() in told.passwords


def test_the_environment_is_passed() -> None:
    names = "HTTP_PROXY no_proxy PIP_INDEX_URL UV_DEFAULT_INDEX UV_INDEX_PRIVATE_PASSWORD npm_config_registry"
    told = variables(environ=dict.fromkeys(names.split(), "https://x"))
    assert told.keys() == set(names.split())


@pytest.mark.parametrize("section", ["global", "install"])
def test_pips_files_speak_for_uv_too(section: str) -> None:
    weak = "[global]\nindex-url = https://weak/simple\ntimeout = 7\n"
    strong = f"[{section}]\nindex_url = https://u:pw@strong/simple\nextra-index-url =\n  https://a/s\n  file:///opt/x\n"
    told = variables(pip=(weak, strong))
    assert told == {
        "PIP_INDEX_URL": "https://u:pw@strong/simple",
        "PIP_EXTRA_INDEX_URL": "https://a/s",
        "PIP_TIMEOUT": "7",
        "UV_DEFAULT_INDEX": "https://u:pw@strong/simple",
        "UV_EXTRA_INDEX_URL": "https://a/s",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
    assert variables(pip=(strong,), environ={"PIP_INDEX_URL": "https://env"})["UV_DEFAULT_INDEX"] == "https://env"


def test_uvs_file_speaks_for_pip_too() -> None:
    text = dedent("""
        [[index]]
        name = "own"
        url = "https://own/simple"
        [[index]]
        url = "https://mirror/simple"
        default = true
    """)
    told = {"UV_INDEX": "own=https://own/simple", "UV_DEFAULT_INDEX": "https://mirror/simple"}
    assert variables(uv=(text,)) == {**told, "PIP_INDEX_URL": "https://mirror/simple"}
    assert variables(uv=('[pip]\nindex-url = "https://m"',)) == {
        "UV_INDEX_URL": "https://m",
        "PIP_INDEX_URL": "https://m",
    }


def test_a_file_that_cannot_be_read_says_nothing() -> None:
    assert variables(pip=("index-url = x",), uv=("[",), npm=("=\n[x]\n",)) == {}


def test_a_directory_of_the_host_is_no_index_in_a_container() -> None:
    assert variables(pip=("[global]\nindex-url = file:///opt/simple\n",)) == {}


def test_npms_files_are_one_and_their_variables_filled_in() -> None:
    machine = "registry=https://weak/\ncafile=/etc/ca.pem\n; a comment\ninit.author=me\n"
    user = "registry = https://npm.corp/\n//npm.corp/:_authToken=${TOKEN}\n@corp:registry=https://npm.corp/c/\n"
    told = variables(npm=(machine, user), environ={"TOKEN": "hunter2"})
    assert told == {
        "GOLDI_NPMRC": "registry=https://npm.corp/\n//npm.corp/:_authToken=hunter2\n@corp:registry=https://npm.corp/c/\n"
    }
    assert variables(npm_project="//h/:_authToken=${NPM_TOKEN}", environ={"NPM_TOKEN": "t", "OTHER": "o"}) == {
        "NPM_TOKEN": "t"
    }
    strange = variables(environ={"npm_config_//npm.corp/:_authToken": "t"})
    assert strange == {"GOLDI_NPMRC": "//npm.corp/:_authToken=t\n"}


def test_only_logins_of_servers_that_are_used_leave_the_netrc() -> None:
    netrc = {"mirror": ("me", "hunter2"), "npm.corp": ("me", "bears"), "github.com": ("me", "private")}
    told = variables(netrc=netrc, environ={"PIP_INDEX_URL": "https://mirror:8443/simple"}, npm=("//npm.corp/:x=y",))
    lines = "machine mirror login me password hunter2\nmachine npm.corp login me password bears\n"
    assert told["GOLDI_NETRC"] == lines


def test_apts_proxy_mirror_and_logins() -> None:
    sources = (
        "# deb http://old/debian bookworm main\ndeb [arch=amd64] http://me:hunter2@mirror.corp/debian bookworm main\n",
        "Types: deb\nURIs: http://mirror.corp/debian-security/\nSuites: bookworm-security\nComponents: main contrib\n\n"
        "Types: deb\nURIs: http://elsewhere/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
    )
    dump = 'Acquire::http::Proxy "http://u:pw@proxy:3128";\nAcquire::http::Proxy-Auto-Detect "/bin/x";\n'
    auth = ("machine mirror.corp/debian-security\nlogin you password bears\nmachine other login a password b\n",)
    told = variables(os_release=DEBIAN, apt_sources=sources, apt=dump, apt_auth=auth)
    assert told["GOLDI_APT_CONF"] == 'Acquire::http::Proxy "http://u:pw@proxy:3128";\n'
    assert "hunter2" not in told["GOLDI_APT_SED"]
    assert "#http://mirror.corp/debian\\1#g" in told["GOLDI_APT_SED"]
    assert told["GOLDI_APT_SED"].index("security") < told["GOLDI_APT_SED"].index("#http://mirror.corp/debian\\1#g")
    assert told["GOLDI_APT_AUTH"].splitlines() == [
        "machine http://mirror.corp/debian login me password hunter2",
        "machine mirror.corp/debian-security login you password bears",
    ]


def test_sources_of_an_image_become_the_mirrors() -> None:
    told = variables(environ={"GOLDI_DEBIAN_MIRROR": "https://u:p@m/de&bian/debian/"})
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


def test_another_distributions_mirror_is_none_of_debian() -> None:
    sources = ("deb http://m.example/debian bookworm main\n",)
    assert variables(os_release="ID=ubuntu\nVERSION_CODENAME=bookworm\n", apt_sources=sources) == {}
    assert variables(os_release=DEBIAN, apt_sources=("deb cdrom:[x]/ bookworm main\n",)) == {}


def test_passwords_are_known_as_such() -> None:
    told = tell(
        Network(
            environ={
                "https_proxy": "http://user:p%40ss@proxy:1",
                "PIP_INDEX_URL": "https://token-as-user@mirror/simple",
                "UV_INDEX_OWN_PASSWORD": "uvs",
                "NPM_TOKEN": "npms",
            },
            npm=("//r/:_authToken=registrys\n//r/:always-auth=true",),
            npm_project="x=${NPM_TOKEN}",
            netrc={"mirror": ("me", "netrcs")},
        )
    )
    headers = {base64.b64encode(pair).decode() for pair in (b"user:p@ss", b"token-as-user:")}
    assert told.passwords == {"p%40ss", "p@ss", "token-as-user", "uvs", "npms", "registrys", "netrcs"} | headers
    assert "registrys" not in repr(told)
