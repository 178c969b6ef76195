"""Bring a database to the schema that this version of the program needs."""

from sqlalchemy import Engine, text

from goldilocks.database import Base

LOCK_ID = 0x901D1


def migrate(engine: Engine) -> None:
    """Create what is missing. Safe to run again, and by several processes at once."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Held until the transaction ends: CREATE TABLE alone would race.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID}
            )
        Base.metadata.create_all(connection)
