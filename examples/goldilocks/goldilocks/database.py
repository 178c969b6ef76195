"""The database: its engine and its one table."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DateTime,
    Engine,
    QueuePool,
    Text,
    create_engine,
    make_url,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of all tables."""


class Bowl(Base):
    """A note about a bowl of porridge."""

    __tablename__ = "bowls"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=lambda: datetime.now(UTC)
    )


def read_password(file: Path) -> str:
    """Return what the file holds, without the space around it.

    Raise SystemExit if it holds nothing: with a guess instead, the service would start
    and nobody could log in.
    """
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise SystemExit(
            f"goldilocks: cannot read DATABASE_PASSWORD_FILE {file}: {reason}"
        ) from None
    if not password:
        raise SystemExit(f"goldilocks: DATABASE_PASSWORD_FILE {file} is empty")
    return password


def make_engine(database_url: str, password_file: Path | None = None) -> Engine:
    """Make an engine; it connects on first use only.

    The password in the file, if one is given, stands for that in the URL.
    """
    url = make_url(database_url)
    if password_file:
        url = url.set(password=read_password(password_file))
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options["connect_args"] = {"connect_timeout": 3}
    elif url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        # The database in memory is its connection: keep exactly one, and hand it to
        # one thread at a time (a StaticPool would let threads share a transaction).
        options["poolclass"] = QueuePool
        options["pool_size"] = 1
        options["max_overflow"] = 0
        options["connect_args"] = {"check_same_thread": False}
    return create_engine(url, **options)
