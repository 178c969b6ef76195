"""The guide's commands, in its order, and the page that says how each is typed here."""

import re

from tests.conftest import REPO

PAGE = REPO / "docs/guide.md"
COMMANDS = """\
./infrastructure/docker/setup-cache.sh
./infrastructure/docker/scripts/compose.sh development build
./infrastructure/docker/scripts/compose.sh production build
docker compose -f infrastructure/docker/docker-compose.yml build goldilocks-backend
docker-compose --profile dev up
docker-compose --profile prod up
docker-compose --profile build up
sudo rm -rf /tmp/.buildx-cache-* /tmp/goldilocks-* /tmp/pip-cache /tmp/npm-cache
docker buildx rm goldilocks-builder
docker buildx create --name goldilocks-builder --driver docker-container --use --bootstrap
sudo chown -R $(whoami):$(whoami) /workspaces/Goldilocks/.git/
sudo chmod -R u+w /workspaces/Goldilocks/.git/
docker buildx bake -f docker-bake.json --push
docker buildx bake -f docker-bake.json --cache-from type=registry,ref=your-registry/goldilocks:cache
""".splitlines()
# As root, and where there is no sudo, the line is typed without that word.
AS_ROOT = 'sudo() { "$@"; }\n'


def blocks(language: str) -> list[list[str]]:
    """Return the lines of the page's blocks in `language`, without comments."""
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return [[line.partition("  #")[0].rstrip() for line in block.splitlines()] for block in found]


def block(first: str) -> list[str]:
    """Return the one block that begins with a line that begins with `first`."""
    (found,) = (lines for lines in blocks("bash") if lines[0].startswith(first))
    return found
