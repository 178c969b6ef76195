"""Describe the private engine: its packages and their sources, its configuration, what to remove after it."""

import ipaddress
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from goldi_tasks.client.system_info import version
from goldi_tasks.command import Command
from goldi_tasks.errors import EngineFailed
from goldi_tasks.network.apt_config import SUITE, parse_os_release

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Packages:
    """The packages of an engine: those of a `suite`, and of the host's release those whose program it lacks."""

    suite: str
    names: tuple[str, ...]
    of_host: tuple[tuple[str, str], ...]


_NAMES = ("docker.io", "docker-cli", "containerd", "docker-buildx", "docker-compose", "tini", "mmdebstrap")
# SUITE's runc needs a newer C library.
ENGINE = Packages(SUITE, _NAMES, (("runc", "runc"), ("iptables", "iptables")))

# Debian updates these packages about once a month.
OLD_DAYS = 30

# The first release that packages engine, buildx and compose, and the first whose C library runs SUITE's.
_RELEASES = {
    "debian": ((13,), (12,), ("docker.io", "docker-cli", "docker-buildx", "docker-compose")),
    "ubuntu": ((24, 4), (22, 4), ("docker.io", "docker-buildx", "docker-compose-v2")),
}


def release_packages(os_release: str) -> tuple[str, ...]:
    """Return what to install with apt on the system of `os_release`; () where it needs the private engine.

    Raises EngineFailed where neither works.
    """
    fields = parse_os_release(os_release)
    name = fields.get("PRETTY_NAME") or "this system"
    if fields.get("ID") not in _RELEASES:
        remedy = "Install Docker with its buildx and compose plugins (on macOS Docker Desktop or Colima) and start it"
        raise EngineFailed(f"this needs Debian's or Ubuntu's packages, and {name} is neither", remedy)
    packaged, private, names = _RELEASES[fields["ID"]]
    # Debian's testing and unstable have no number.
    number = version(fields.get("VERSION_ID", "99") + ".0")
    if number < private:
        raise EngineFailed(f"{name} is too old for the engine", "Install Docker with buildx and compose yourself")
    return names if number >= packaged else ()


def sources(mirrors: dict[str, str]) -> str:
    """Return an apt sources file (deb822) for `mirrors`, signed by Debian."""
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
    return "\n".join(stanza.format(uri, suite, KEYRING) for suite, uri in mirrors.items())


def apt_config(folder: str, acquire: str, private: bool) -> str:
    """Return an apt configuration that writes only to `folder`: lists, downloads and, if `private`, sources and keys.

    `acquire` is the host's `apt-config dump Acquire`: its proxy and its transport options apply here, too.
    """
    # The host's configuration files may have hooks: they are not read. Its index targets, which need them, are dropped.
    dirs = {"Etc::main": "/dev/null", "Etc::parts": "/dev/null", "State::lists": "lists", "Cache": "cache"}
    if private:
        etc = ("sourcelist", "preferences", "preferencesparts", "trusted", "trustedparts")
        dirs |= {f"Etc::{name}": "/dev/null" for name in etc} | {
            "Etc::sourceparts": "sources",
            "State::status": "status",
        }
    lines = [line for line in acquire.splitlines() if "::IndexTargets" not in line]
    lines += [f'Dir::{key} "{value if value[0] == "/" else f"{folder}/{value}"}";' for key, value in dirs.items()]
    insecure = ("InsecureRepositories", "WeakRepositories", "DowngradeToInsecureRepositories")
    lines += [f'Acquire::Allow{name} "false";' for name in insecure]
    lines += ['APT::Get::AllowUnauthenticated "false";', 'Acquire::Languages "none";', 'Acquire::Retries "3";']
    return "\n".join(lines) + "\n"


def reason(output: str) -> str:
    """Return the first error among the lines of apt, dpkg or mmdebstrap, or the last line."""
    lines = [line.rstrip(".") for line in output.splitlines()] or ["no output"]
    return next((line for line in lines if "E: " in line), lines[-1])


def default_interfaces(routes: str) -> list[str]:
    """Return the interfaces of the default routes in the text of /proc/net/route."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    return [row[0] for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"]


# dockerd's default garbage collection.
DEFAULT_COLLECTION: dict[str, Any] = {"enabled": True}


def gc_policy(disk: int) -> dict[str, Any]:
    """Return BuildKit's garbage collection rules for a disk of `disk` bytes, in the order of dockerd's configuration.

    Each bound is compared with the size of the whole build cache. Above the first bound layers are removed, the least
    recently used first. Cache mounts, which no cache-to exports, are removed after two months without use, or if what
    remains is above the second bound.
    """
    layer_bound, total_bound = min(disk // 5, 40 * 10**9), min(disk * 3 // 10, 60 * 10**9)
    rules = [
        _rule("source.local", 512 * 10**6, "48h"),
        _rule("source.git.checkout", 512 * 10**6, "48h"),
        _rule("exec.cachemount", layer_bound, "1440h"),
        _rule("source.local", layer_bound),
        _rule("source.git.checkout", layer_bound),
        _rule("regular", layer_bound),
        # Without `all` these records are never removed.
        _rule("internal", layer_bound) | {"all": True},
        _rule("frontend", layer_bound) | {"all": True},
        _rule("exec.cachemount", total_bound),
    ]
    return {"enabled": True, "policy": rules}


def _rule(kind: str, bound: int, unused_for: str = "") -> dict[str, Any]:
    """Return a rule for one type of record: dockerd takes one value for a key, and a comma would mean `and`."""
    # Engine 28 calls `keepStorage` `reservedSpace`. A rule whose bound is not understood would empty the cache.
    bounds = dict.fromkeys(("keepStorage", "reservedSpace"), str(bound))
    return {"filter": [f"type={kind}", *([f"unused-for={unused_for}"] if unused_for else [])], **bounds}


def daemon_config(data: str, run: str, socket: str, mtu: int | None, gc: Mapping[str, Any]) -> dict[str, Any]:
    """Return dockerd's configuration; `mtu` None keeps its default, `gc` is for BuildKit's garbage collection."""
    config: dict[str, Any] = {
        "data-root": f"{data}/docker",
        "exec-root": f"{run}/exec",
        "pidfile": f"{run}/docker.pid",
        "hosts": [f"unix://{socket}"],
        # With the containerd store the docker driver exports local caches.
        "features": {"containerd-snapshotter": True},
        # A cgroup of its own, so that it can be removed.
        "cgroup-parent": f"/{run.rpartition('/')[2]}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "builder": {"gc": gc},
    }
    if mtu:
        # "mtu" is for the default bridge only; compose makes networks of its own.
        config |= {"mtu": mtu, "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": str(mtu)}}}
    return config


def is_alive(status: str, cmdline: str, names: tuple[str, ...], mark: str) -> bool:
    """Return whether a process is one of `names`, no zombie, and has `mark` in its arguments.

    `status` and `cmdline` are the texts of these files in /proc.
    """
    state = dict(re.findall(r"^(Name|State):\t(\S+)", status, re.M))
    return state.get("Name") in names and state.get("State") not in ("Z", "X") and mark in cmdline


def wipe_rules(saved: str, bridges: Collection[str], alone: bool) -> str:
    """Return input for `iptables-restore --noflush` that removes an engine's rules from `saved` (iptables-save).

    Rules that name one of `bridges` or an address of its network are removed; if `alone` (no other dockerd runs here),
    the engine's chains, too. "" if there is nothing to remove.
    """
    networks = [
        ipaddress.ip_network(network)
        for network, name in re.findall(r"-s (\S+) ! -o (\S+) -j MASQ", saved)
        if name in bridges
    ]
    removals: list[str] = []
    for table, body in re.findall(r"^\*(\w+)\n(.*?)^COMMIT", saved, re.M | re.S):
        chains = re.findall(r"^:(DOCKER\S*) ", body, re.M) if alone else []
        rules = [
            rule
            for rule in re.findall(r"^-A (.*)$", body, re.M)
            if _belongs_to_engine(rule, {*bridges, *chains}, networks)
        ]
        lines = [f"-D {rule}" for rule in rules] + [f"-{verb} {chain}" for verb in "FX" for chain in chains]
        removals += [f"*{table}", *lines, "COMMIT"] if lines else []
    return "\n".join([*removals, ""]) if removals else ""


def _belongs_to_engine(
    rule: str, names: Collection[str], networks: "list[ipaddress.IPv4Network | ipaddress.IPv6Network]"
) -> bool:
    if not set(names).isdisjoint(rule.split()):
        return True
    sources = [ipaddress.ip_interface(address).ip for address in re.findall(r"-s ([\d.]+(?:/\d+)?) ", rule)]
    return any(address in network for address in sources for network in networks)


def describe(status: dict[str, Any]) -> str:
    """Format the status of the engine, for people."""
    run_by = {"goldi": "ours, `inv engine.down` stops it", "host": "the host's", None: "nobody: no engine answers"}
    lines = [f"{name:<9} {status[name] or 'none'}" for name in ("engine", "buildx", "compose", "store")]
    lines.append(f"run by    {run_by[status['run_by']]}")
    if (days := status["packages_days"]) is not None:
        old = ": `inv engine.down engine.up` fetches newer ones" if days > OLD_DAYS else ""
        lines.append(f"packages  ours, fetched {days} days ago{old}")
    return "\n".join(lines)


@dataclass(frozen=True)
class BaseImage:
    """A base image that we can make: its `name`, its packages, and the dependencies that are left out."""

    name: str
    title: str
    packages: tuple[str, ...]
    without: tuple[str, ...] = ()


_PYTHON = ("python3", "python3-venv", "python-is-python3")
# `localhost/` cannot be a name in a public registry, and builds look up no address for it.
IMAGES = {
    "PYTHON_IMAGE": BaseImage("localhost/goldi/python:3.13-trixie", "python", _PYTHON),
    # Debian's npm depends on webpack and a compiler, which npm does not load: two thirds of 450 packages.
    "NODE_IMAGE": BaseImage(
        "localhost/goldi/node:20-trixie", "node", ("nodejs", "npm"), ("webpack", "gyp", "libnode-dev")
    ),
}
# The release date of Debian 13. Newer files get this date, so that the same packages give the same bits.
_EPOCH, _CREATED = 1754697600, "2025-08-09T00:00:00Z"
_EXCLUDED = ("man", "locale", "doc")


def stand_in(image: BaseImage) -> str:
    """Return an entry for dpkg's status file that provides the packages that `image` leaves out."""
    fields = {
        "Package": f"goldi-{image.title}-slim",
        "Status": "install ok installed",
        "Maintainer": "goldi_tasks",
        "Architecture": "all",
        "Version": "1",
        "Provides": ", ".join(f"{name} (= 99)" for name in image.without),
        "Description": "stands in for dependencies that are never loaded",
    }
    return "\n" + "".join(f"{name}: {value}\n" for name, value in fields.items())


def path_excludes() -> list[str]:
    """Return dpkg's options that leave files out of our images."""
    return [f"--path-exclude=/usr/share/{name}/*" for name in _EXCLUDED]


def mmdebstrap(image: BaseImage, folder: str) -> Command:
    """Return the command that makes the layer `<title>.layer` in `folder`.

    It reads the files `host.sources` and `00host` (apt's settings) there.
    """
    apt, status = '"$1"/etc/apt', '"$1"/var/lib/dpkg'
    hooks = [f"--setup-hook=copy-in {folder}/00host /etc/apt/apt.conf.d"]
    if image.without:
        file_list = f"{status}/info/goldi-{image.title}-slim.list"
        hooks += [f"--essential-hook=cat {folder}/{image.title}.status >> {status}/status; touch {file_list}"]
    # The host's proxy, passwords, name and name servers must not get into the image. Bytecode differs by release.
    hooks += [f"--customize-hook=rm {apt}/apt.conf.d/00host; sed -i 's#://[^/@]*@#://#' {apt}/sources.list.d/*"]
    hooks += ['--customize-hook=cd "$1" && rm -rf etc/hostname etc/resolv.conf usr/share/python3/debpython/__pycache__']
    options = [f"--dpkgopt={option.removeprefix('--')}" for option in path_excludes()] + ["--dpkgopt=force-unsafe-io"]
    options += ['--aptopt=APT::Install-Recommends "false"', "--mode=root", "--variant=apt", "--format=tar"]
    include = f"--include={','.join(('ca-certificates', *image.packages))}"
    files = (f"{folder}/{image.title}.layer", f"{folder}/host.sources")
    # It has a mount namespace of its own, and is killed when this process ends, even by kill -9.
    wrapper = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child")
    return Command(
        (*wrapper, "mmdebstrap", *options, *hooks, include, SUITE, *files), {"SOURCE_DATE_EPOCH": str(_EPOCH)}
    )


def image_config(image: BaseImage, diff_id: str, architecture: str) -> bytes:
    """Return the configuration of an image of one layer, whose uncompressed digest is `diff_id` (sha256:...)."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    labels = {
        "org.opencontainers.image.title": image.name,
        "org.opencontainers.image.description": f"Debian 13 with {', '.join(image.packages)}; made by goldi_tasks",
    }
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": _CREATED,
        "config": {"Env": [f"PATH={path}", "LANG=C.UTF-8"], "Cmd": ["bash"], "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": _CREATED, "created_by": "mmdebstrap"}],
    }
    return json.dumps(config, sort_keys=True).encode()
