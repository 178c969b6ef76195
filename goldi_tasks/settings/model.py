"""What a project has chosen, documented key by key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from goldi_tasks import ownership, paths
from goldi_tasks.errors import NoPermission, NotAProject

BAKE_FILE = Path("infrastructure/docker/docker-bake.json")


@dataclass(frozen=True)
class Settings:
    """What a project has chosen. `project` is the directory of its pyproject.toml, never set there."""

    project: Path

    app: str = "."
    """`app` (GOLDI_APP): directory of the app that is built, relative to the project."""

    image: str = ""
    """`image` (GOLDI_IMAGE): name of the images; the app's project name by default."""

    cache_root: Path = paths.DEFAULT_ROOT
    """`cache-root` (GOLDI_CACHE_ROOT): directory that holds all caches; `/tmp` by default, as in the guide, and
    `/var/tmp/goldi-<uid>` for a user who finds names of caches taken there."""

    cache_roots: Mapping[str, Path] = field(default_factory=dict)
    """`[tool.goldi.cache-roots]` (GOLDI_CACHE_ROOT_PIP_CACHE and so on): roots of single caches, by name, that have one
    of their own: with `pip-cache = "/mnt/fast"` that one is /mnt/fast/pip-cache, for builds, checks and the stack."""

    python_image: str = "python:3.13-slim-trixie"
    """`images.python` (PYTHON_IMAGE): base image with Python; a mirror's name works."""

    node_image: str = "node:22-trixie-slim"
    """`images.node` (NODE_IMAGE): base image with Node.js and npm; a mirror's name works."""

    postgres_image: str = ""
    """`images.postgres` (POSTGRES_IMAGE): image of the stack's database; what the compose file says if not given."""

    scanner_image: str = "docker/buildkit-syft-scanner:stable-1"
    """`images.scanner` (SCANNER_IMAGE): what lists the packages of a pushed image (SBOM); a mirror's name works."""

    ca_bundle: str = ""
    """`ca-bundle` (GOLDI_CA_BUNDLE): certificates for build steps that download, a PEM file; found in
    SSL_CERT_FILE, REQUESTS_CA_BUNDLE, PIP_CERT, CURL_CA_BUNDLE or NODE_EXTRA_CA_CERTS if not given."""

    installer: str = "uv"
    """`installer` (GOLDI_INSTALLER): what installs Python packages in the images, `uv` or `pip`."""

    smoke_test: bool = True
    """`smoke-test` (GOLDI_SMOKE_TEST): whether a build imports what the image starts, and fails where that fails; off
    for an app whose import needs what only its deployment has."""

    host_network: str = "all"
    """`host-network` (GOLDI_HOST_NETWORK): what build steps, services and checks are told of this machine's network:
    `all`, with passwords and tokens (for a check only where it asks for them), `no-logins`, or `none`."""

    run: str = "container"
    """`run` (GOLDI_RUN): where checks run: `container`, in the tools image, or `host`, in a nox environment with the
    same lock."""

    warm: bool = True
    """`warm` (GOLDI_WARM): whether one tools container is kept for the next checks; else each gets a fresh one."""

    idle_minutes: float = 30.0
    """`idle-minutes` (GOLDI_IDLE_MINUTES): after how many minutes without a check that container ends itself."""

    registry: str = ""
    """`registry` (GOLDI_REGISTRY): what stands before the name of an image that is pushed, such as
    `registry.example/team`."""

    main_branch: str = "main"
    """`main-branch` (GOLDI_MAIN_BRANCH): whose cache a branch reads that has none of its own yet."""

    cache_backend: str = "local"
    """`cache.backend` (GOLDI_CACHE_BACKEND): where caches of builds are kept: `local`, in directories of this machine,
    `registry`, `gha` (GitHub's cache), `inline`, in the images that are pushed, or `none`, in the builder's own store
    alone. What is pushed has its cache in the registry too, where this is `local`."""

    cache_ref: str = ""
    """`cache.ref` (GOLDI_CACHE_REF): repository of the registry's cache; `<registry>/<image>-cache` if not given."""

    max_age: float = 60 * 86400.0
    """`max-age` (GOLDI_MAX_AGE): what a project made and has not used for so long is removed, `60d` by default. In
    seconds here; 0 is no limit. Once a day, after a build or a check; `cache.prune` does it too, and more."""

    max_size: int = 0
    """`max-size` (GOLDI_MAX_SIZE): what all cache directories may hold together, such as `20GB`; projects that were not
    used for longest go first. No limit by default: one that is too small costs what the next build needs."""

    builder_driver: str = ""
    """`builder.driver` (GOLDI_BUILDER_DRIVER): what builds: `docker`, `docker-container`, `remote` or `kubernetes`;
    buildx's current builder if not given. It builds for checks and the stack anyhow: their images must be here."""

    builder_endpoint: str = ""
    """`builder.endpoint` (GOLDI_BUILDER_ENDPOINT): where it is: for docker `ssh://user@host`, `tcp://host:port` or a
    docker context's name; for remote `tcp://host:port`, `ssh://`, `unix://`, `docker-container://` or `kube-pod://`;
    for docker-container an engine as for docker; for kubernetes a kubeconfig file."""

    builder_options: tuple[tuple[str, str], ...] = ()
    """`builder.options` (GOLDI_BUILDER_OPTIONS): options of the driver, as a table, or as text as buildx takes it:
    `namespace=ci,replicas=2`."""

    builder_certificates: str = ""
    """`builder.certificates` (GOLDI_BUILDER_CERTIFICATES): directory with ca.pem, cert.pem and key.pem, for an endpoint
    that is reached by TLS."""

    builder_fallback: bool = False
    """`builder.fallback` (GOLDI_BUILDER_FALLBACK): whether the current builder builds where the other cannot be had;
    else that is an error."""

    images_chosen: bool = False
    """Whether a base image was named by the user: then no engine task replaces it."""

    moved: str = field(default="", repr=False)
    """Why `cache_root` is the user's own, while it has yet to be made; never set by hand."""

    frontend: bool = False
    """Whether the app has a front end: `frontend/package.json`; never set by hand."""

    @property
    def key(self) -> str:
        """The project's name in the cache directories."""
        return paths.project_key(self.project)

    @property
    def pushed(self) -> str:
        """The repository that images are pushed to; "" if none was named."""
        name = f"{self.registry}/{self.image}" if self.registry else self.image
        return name if "/" in name else ""

    @property
    def cache_repository(self) -> str:
        """The repository of the registry's cache; "" if neither it nor a registry was named."""
        return self.cache_ref or (f"{self.pushed}-cache" if self.pushed else "")

    @property
    def roots(self) -> paths.Roots:
        """Where the caches lie."""
        return paths.Roots(self.cache_root, self.cache_roots, self.moved)

    @property
    def bake_file(self) -> Path:
        """The project's bake file. Raises NotAProject if there is none."""
        path = self.project / BAKE_FILE
        if not path.is_file():
            problem = f"{self.project} has no {BAKE_FILE}"
            raise NotAProject(problem, "Change to a project that has one, or copy infrastructure/docker into this one")
        return path

    @property
    def env_file(self) -> Path:
        """What compose and scripts have to know of this machine: .env beside the bake file. It may not exist."""
        return self.project / BAKE_FILE.with_name(".env")

    @property
    def made_images(self) -> str:
        """The text of that file, in which `engine.up` names the images that it made; "" if there is none.

        Raises NoPermission where somebody else could have written it.
        """
        file = self.env_file
        if not file.is_file():
            return ""
        if found := ownership.of_each((file.parent, file), "another project directory", self.project.stat().st_uid):
            raise NoPermission(*found)
        return file.read_text(encoding="utf-8")
