"""Define the settings of a project; each key is documented here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import ownership, paths
from goldi_tasks.errors import NoPermission, NotAProject

BAKE_FILE = Path("infrastructure/docker/docker-bake.json")


@dataclass(frozen=True)
class Settings:
    """The settings of a project. `project` is the directory of its pyproject.toml, which is never set there."""

    project: Path

    app: str = "."
    """`app` (GOLDI_APP): directory of the app that is built, relative to the project."""

    image: str = ""
    """`image` (GOLDI_IMAGE): name of the images; the app's project name by default."""

    cache_root: Path = paths.DEFAULT_ROOT
    """`cache-root` (GOLDI_CACHE_ROOT): directory that holds all caches; `/tmp` by default, as in the guide, and
    `/var/tmp/goldi-<uid>` where another user has a cache's name in `/tmp`."""

    cache_roots: Mapping[str, Path] = field(default_factory=dict)
    """`[tool.goldi.cache-roots]` (GOLDI_CACHE_ROOT_PIP_CACHE and so on): separate roots of single caches, by name:
    with `pip-cache = "/mnt/fast"` builds, checks and the stack use /mnt/fast/pip-cache."""

    python_image: str = "python:3.13-slim-trixie"
    """`images.python` (PYTHON_IMAGE): base image with Python; a mirror's name works."""

    node_image: str = "node:22-trixie-slim"
    """`images.node` (NODE_IMAGE): base image with Node.js and npm; a mirror's name works."""

    postgres_image: str = ""
    """`images.postgres` (POSTGRES_IMAGE): image of the stack's database; by default the one in the compose file."""

    scanner_image: str = "docker/buildkit-syft-scanner:stable-1"
    """`images.scanner` (SCANNER_IMAGE): lists the packages of pushed images (SBOM); a mirror's name works."""

    ca_bundle: str = ""
    """`ca-bundle` (GOLDI_CA_BUNDLE): PEM file with certificates for build steps that download; by default the file in
    SSL_CERT_FILE, REQUESTS_CA_BUNDLE, PIP_CERT, CURL_CA_BUNDLE or NODE_EXTRA_CA_CERTS."""

    installer: str = "uv"
    """`installer` (GOLDI_INSTALLER): the program that installs Python packages in the images, `uv` or `pip`."""

    smoke_test: bool = True
    """`smoke-test` (GOLDI_SMOKE_TEST): whether a build imports the module that the image starts, and fails if that
    fails; to be switched off for an app that can be imported only where it is deployed."""

    host_network: str = "all"
    """`host-network` (GOLDI_HOST_NETWORK): how much of this machine's network configuration build steps, services and
    checks get: `all`, with passwords and tokens (checks only with `logins`), `no-logins`, or `none`."""

    run: str = "container"
    """`run` (GOLDI_RUN): where checks run: `container`, in the tools image, or `host`, in a nox environment with the
    same lock."""

    warm: bool = True
    """`warm` (GOLDI_WARM): whether a tools container is kept for the next checks; else each check gets a new one."""

    idle_minutes: float = 30.0
    """`idle-minutes` (GOLDI_IDLE_MINUTES): after how many minutes without a check the tools container ends."""

    registry: str = ""
    """`registry` (GOLDI_REGISTRY): prefix of the names of pushed images, such as `registry.example/team`."""

    main_branch: str = "main"
    """`main-branch` (GOLDI_MAIN_BRANCH): branch whose cache is read by branches without a cache."""

    cache_backend: str = "local"
    """`cache.backend` (GOLDI_CACHE_BACKEND): where build caches are stored: `local`, in directories of this machine,
    `registry`, `gha` (GitHub's cache), `inline`, in the pushed images, or `none`, only in the builder's store. With
    `local`, the cache of a pushed image is stored in the registry too."""

    cache_ref: str = ""
    """`cache.ref` (GOLDI_CACHE_REF): repository of the registry's cache; `<registry>/<image>-cache` if not given."""

    max_age: float = 60 * 86400.0
    """`max-age` (GOLDI_MAX_AGE): what a project produced is removed when it was not used for this long, `60d` by
    default. In seconds here; 0 is no limit. Applied once a day, after a build or a check, and by `cache.prune`."""

    max_size: int = 0
    """`max-size` (GOLDI_MAX_SIZE): maximum size of all cache directories together, such as `20GB`; the least recently
    used projects are removed first. No limit by default: too small a limit removes what the next build needs."""

    builder_driver: str = ""
    """`builder.driver` (GOLDI_BUILDER_DRIVER): the builder's driver: `docker`, `docker-container`, `remote` or
    `kubernetes`; if not given, buildx's current builder is used. Images for checks and the stack are always built by
    the current builder, since they must be on this engine."""

    builder_endpoint: str = ""
    """`builder.endpoint` (GOLDI_BUILDER_ENDPOINT): its address: for docker and docker-container that of an engine,
    `ssh://user@host`, `tcp://host:port` or a docker context's name; for remote `tcp://host:port`, `ssh://`, `unix://`,
    `docker-container://` or `kube-pod://`; for kubernetes a kubeconfig file."""

    builder_options: tuple[tuple[str, str], ...] = ()
    """`builder.options` (GOLDI_BUILDER_OPTIONS): options of the driver, as a table or as a string as buildx takes it:
    `namespace=ci,replicas=2`."""

    builder_certificates: str = ""
    """`builder.certificates` (GOLDI_BUILDER_CERTIFICATES): directory with ca.pem, cert.pem and key.pem, for an endpoint
    that is reached by TLS."""

    builder_fallback: bool = False
    """`builder.fallback` (GOLDI_BUILDER_FALLBACK): whether buildx's current builder is used where the configured one is
    not available; else that is an error."""

    images_chosen: bool = False
    """Whether the user chose a base image, which `engine.up` then never replaces; never set by hand."""

    moved: str = field(default="", repr=False)
    """Why `cache_root` is the user's own, until that directory is created; never set by hand."""

    frontend: bool = False
    """Whether the app has a front end: `frontend/package.json`; never set by hand."""

    @property
    def key(self) -> str:
        """Return the project's name in the cache directories."""
        return paths.project_key(self.project)

    @property
    def pushed(self) -> str:
        """Return the repository that images are pushed to; "" if none is configured."""
        name = f"{self.registry}/{self.image}" if self.registry else self.image
        return name if "/" in name else ""

    @property
    def cache_repository(self) -> str:
        """Return the repository of the registry's cache; "" if neither it nor a registry is configured."""
        return self.cache_ref or (f"{self.pushed}-cache" if self.pushed else "")

    @property
    def roots(self) -> paths.Roots:
        """Return the roots of the caches."""
        return paths.Roots(self.cache_root, self.cache_roots, self.moved)

    @property
    def bake_file(self) -> Path:
        """Return the project's bake file. Raises NotAProject if there is none."""
        path = self.project / BAKE_FILE
        if not path.is_file():
            problem = f"{self.project} has no {BAKE_FILE}"
            raise NotAProject(problem, "Change to a project that has one, or copy infrastructure/docker into this one")
        return path

    @property
    def env_file(self) -> Path:
        """Return the file with this machine's values for compose and scripts: .env beside the bake file.

        It may not exist.
        """
        return self.project / BAKE_FILE.with_name(".env")

    @property
    def made_images(self) -> str:
        """Return the text of `env_file`, in which `engine.up` names the images that it made; "" if there is none.

        Raises NoPermission where another user could have written it.
        """
        file = self.env_file
        if not file.is_file():
            return ""
        if problem := ownership.find_problem_in(
            (file.parent, file), "another project directory", self.project.stat().st_uid
        ):
            raise NoPermission(*problem)
        return file.read_text(encoding="utf-8")
