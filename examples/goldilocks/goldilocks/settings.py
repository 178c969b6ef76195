"""Settings, read from the environment."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

FRONTEND_DIST = Path(__file__).resolve().parent.parent / "frontend" / "dist"


class Settings(BaseSettings):
    """Each field is the environment variable of the same name, in capitals."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    database_url: str = "sqlite://"
    """An SQLAlchemy URL. The default lives in memory and dies with the process;
    for PostgreSQL: `postgresql+psycopg://user:password@host/name`."""

    database_password_file: Path | None = None
    """A file that holds the password of `database_url`, as secrets are mounted."""

    goldilocks_static: Path = FRONTEND_DIST
    """The directory of the built front end, served at `/` if it exists."""
