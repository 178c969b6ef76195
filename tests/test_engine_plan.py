"""The private engine's decisions: values in, values out."""

import tomllib
from pathlib import Path

import pytest

from goldi_tasks import envfile
from goldi_tasks.engine import distribution
from goldi_tasks.errors import EngineFailed
from goldi_tasks.network import apt_config
from goldi_tasks.settings import Settings
from goldi_tasks.settings.image_names import BUILT, DATABASE_MADE, base_images, database_image
from tests.conftest import REPO

MIRROR = "http://mirror.invalid"
LISTING = f"""\
https://other.invalid/apt/ bookworm main
https://vendor.invalid/debian/ bookworm stable
cdrom:[x]/ bookworm main
{MIRROR}/debian/ bookworm main
{MIRROR}/debian/ bookworm-updates main
{MIRROR}/debian-security/ bookworm-security main
"""


@pytest.mark.parametrize(
    ("os_release", "packages"),
    [
        ('ID=debian\nVERSION_ID="12"\n', ()),
        ('ID=debian\nVERSION_ID="13"\n', ("docker.io", "docker-cli", "docker-buildx", "docker-compose")),
        ("ID=debian\nVERSION_CODENAME=sid\n", ("docker.io", "docker-cli", "docker-buildx", "docker-compose")),
        ('ID=ubuntu\nVERSION_ID="22.04"\n', ()),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', ("docker.io", "docker-buildx", "docker-compose-v2")),
        ('ID=ubuntu\nVERSION_ID="25.10"\n', ("docker.io", "docker-buildx", "docker-compose-v2")),
    ],
)
def test_release_packages(os_release: str, packages: tuple[str, ...]) -> None:
    assert distribution.release_packages(os_release) == packages


@pytest.mark.parametrize("os_release", ["", 'ID=fedora\nPRETTY_NAME="Fedora 42"', 'ID=debian\nVERSION_ID="11"'])
def test_elsewhere_one_sentence_says_what_to_install(os_release: str) -> None:
    with pytest.raises(EngineFailed, match="Install Docker with"):
        distribution.release_packages(os_release)


def test_the_hosts_mirror_is_the_one_with_updates() -> None:
    found = apt_config.repositories(LISTING, "bookworm")
    assert found == {"trixie": f"{MIRROR}/debian", "trixie-security": f"{MIRROR}/debian-security"}
    assert apt_config.repositories(LISTING, "jammy") == {}


def test_sources() -> None:
    text = distribution.sources({"trixie": f"{MIRROR}/debian", "trixie-security": f"{MIRROR}/debian-security"})
    stanzas = text.split("\n\n")
    assert len(stanzas) == 2
    assert f"URIs: {MIRROR}/debian\nSuites: trixie\nComponents: main\nSigned-By: {distribution.KEYRING}" in stanzas[0]
    assert "Suites: trixie-security\n" in stanzas[1]


def test_apt_config_keeps_the_proxy_and_the_signatures() -> None:
    acquire = 'Acquire::http::Proxy "http://proxy.invalid:3128";\nAcquire::AllowInsecureRepositories "1";\n'
    lines = distribution.apt_config("/x", acquire, private=True).splitlines()
    assert 'Acquire::http::Proxy "http://proxy.invalid:3128";' in lines
    assert [line for line in lines if "AllowInsecure" in line][-1] == 'Acquire::AllowInsecureRepositories "false";'
    assert 'Dir::State::lists "/x/lists";' in lines
    assert 'Dir::Etc::sourceparts "/x/sources";' in lines


def test_the_hosts_own_sources_serve_for_its_own_packages() -> None:
    text = distribution.apt_config("/x", "", private=False)
    assert "sourceparts" not in text
    assert "State::status" not in text
    assert 'Dir::Cache "/x/cache";' in text


def test_default_interfaces() -> None:
    head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    routes = head + "eth0 00000000 010200C0 3 0 0 0 00000000 0 0 0\nbr0 00001DAC 00000000 1 0 0 0 0000FFFF 0 0 0\n"
    assert distribution.default_interfaces(routes) == ["eth0"]
    assert distribution.default_interfaces(head) == []


def test_daemon_config() -> None:
    config = distribution.daemon_config("/d", "/r/name", "/s", 1400, {"enabled": True})
    assert (config["data-root"], config["pidfile"], config["hosts"]) == (
        "/d/docker",
        "/r/name/docker.pid",
        ["unix:///s"],
    )
    assert config["features"] == {"containerd-snapshotter": True}
    assert config["cgroup-parent"] == "/name"
    assert config["mtu"] == 1400
    assert config["default-network-opts"] == {"bridge": {"com.docker.network.driver.mtu": "1400"}}
    assert "mtu" not in distribution.daemon_config("/d", "/r", "/s", None, {})


@pytest.mark.parametrize(("disk", "layers"), [(10**13, 40 * 10**9), (10**11, 2 * 10**10)])
def test_cache_mounts_are_collected_last(disk: int, layers: int) -> None:
    rules = distribution.gc_policy(disk)["policy"]
    # A rule without a bound would empty the cache, and a key with two values is refused.
    assert all(int(rule["keepStorage"]) == int(rule["reservedSpace"]) > 0 for rule in rules)
    assert all([word.split("=")[0] for word in rule["filter"]] in (["type"], ["type", "unused-for"]) for rule in rules)
    mounts = [rule for rule in rules if "type=exec.cachemount" in rule["filter"]]
    assert [(rule["filter"][1:], int(rule["keepStorage"])) for rule in mounts] == [
        (["unused-for=1440h"], layers),
        ([], layers * 3 // 2),
    ]
    assert rules[-1] is mounts[-1]


def test_a_builder_of_its_own_collects_the_same() -> None:
    policy = tomllib.loads((REPO / "infrastructure/docker/buildkitd.toml").read_text())["worker"]["oci"]["gcpolicy"]
    theirs = [(kind, rule) for rule in policy for kind in rule["filters"]]
    ours = distribution.gc_policy(100)["policy"]
    shares = {"512000000": "512MB", "20": "20%", "30": "30%"}
    wanted = [
        (
            rule["filter"][0].replace("=", "=="),
            "".join(rule["filter"][1:]).removeprefix("unused-for="),
            shares[rule["keepStorage"]],
            rule.get("all", False),
        )
        for rule in ours
    ]
    assert [
        (kind, rule.get("keepDuration", ""), rule["keepBytes"], rule.get("all", False)) for kind, rule in theirs
    ] == wanted
    assert all(rule["keepBytes"] == rule["reservedSpace"] for rule in policy)


@pytest.mark.parametrize(
    ("status", "cmdline", "alive"),
    [
        ("Name:\tdockerd\nState:\tS (sleeping)\n", "dockerd\0--config-file\0/run/x/daemon.json", True),
        ("Name:\tdockerd\nState:\tZ (zombie)\n", "", False),
        ("Name:\tbash\nState:\tS (sleeping)\n", "bash\0/run/x/", False),
        ("Name:\tdockerd\nState:\tS (sleeping)\n", "dockerd\0-H\0fd://", False),
    ],
)
def test_is_alive(status: str, cmdline: str, alive: bool) -> None:
    assert distribution.is_alive(status, cmdline, ("dockerd",), "/run/x/") is alive


SAVED = """\
# Generated
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -o other0 -j DOCKER
-A FORWARD -i eth0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -j ACCEPT
COMMIT
*nat
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -s 172.29.0.0/16 ! -o other0 -j MASQUERADE
COMMIT
"""


def test_beside_another_engine_only_rules_of_our_bridges_go() -> None:
    assert distribution.wipe_rules(SAVED, ["docker0"], alone=False).splitlines() == [
        "*filter",
        "-D FORWARD -o docker0 -j DOCKER",
        "-D DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -j ACCEPT",
        "COMMIT",
        "*nat",
        "-D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-D POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
        "COMMIT",
    ]


def test_alone_the_chains_go_too_and_other_peoples_rules_stay() -> None:
    lines = distribution.wipe_rules(SAVED, ["docker0"], alone=True).splitlines()
    assert lines.index("-F DOCKER-USER") < lines.index("-X DOCKER")
    assert "-D FORWARD -o other0 -j DOCKER" in lines
    assert not [line for line in lines if "eth0" in line or "172.29" in line]


def test_nothing_to_wipe() -> None:
    assert distribution.wipe_rules("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", ["docker0"], alone=True) == ""


def test_images_are_ours_by_name_and_the_same_every_time() -> None:
    for image in distribution.IMAGES.values():
        assert image.name.startswith("localhost/goldi/")
        assert distribution.image_config(image, "0" * 64, "amd64") == distribution.image_config(
            image, "0" * 64, "amd64"
        )
        assert distribution.mmdebstrap(image, "/w").env == {"SOURCE_DATE_EPOCH": "1754697600"}


def test_nothing_of_the_host_is_in_an_image() -> None:
    after = [
        word
        for word in distribution.mmdebstrap(distribution.IMAGES["NODE_IMAGE"], "/w").argv
        if word.startswith("--customize")
    ]
    for trace in ("00host", "etc/hostname", "etc/resolv.conf", "sed -i 's#://[^/@]*@#://#'"):
        assert trace in " ".join(after)


def test_what_the_env_file_names_is_built_from_unless_the_user_chose() -> None:
    env_file = envfile.merge("", {variable: image.name for variable, image in distribution.IMAGES.items()})
    assert base_images(Settings(Path("/p")), env_file)["PYTHON_IMAGE"] == "localhost/goldi/python:3.13-trixie"
    chosen = Settings(Path("/p"), python_image="mirror.invalid/python", images_chosen=True)
    assert base_images(chosen, env_file)["PYTHON_IMAGE"] == "mirror.invalid/python"


def test_the_database_is_built_where_env_names_ours_and_the_user_chose_none() -> None:
    written = envfile.merge("", BUILT)
    assert database_image(Settings(Path("/p")), "") == {}
    assert database_image(Settings(Path("/p")), written) == BUILT
    # As it was written before compose could build it.
    assert database_image(Settings(Path("/p")), f"POSTGRES_IMAGE={DATABASE_MADE}\n") == BUILT
    chosen = {"POSTGRES_IMAGE": "mirror/postgres", "GOLDI_DATABASE": "pulled"}
    assert database_image(Settings(Path("/p"), postgres_image="mirror/postgres"), written) == chosen


def test_status_for_people_has_the_remedy_for_old_packages() -> None:
    told = {"engine": "26.1.5", "buildx": None, "compose": None, "store": "containerd", "run_by": "goldi"}
    assert "fetches newer ones" in distribution.describe({**told, "packages_days": 31})
    assert "fetches newer ones" not in distribution.describe({**told, "packages_days": 3})
