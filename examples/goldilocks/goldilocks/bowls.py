"""The API: list bowls, and add one."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, status
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from goldilocks.database import Bowl

LIST_LIMIT = 100


def as_utc(moment: datetime) -> datetime:
    """Put a stored time in UTC; SQLite forgets the zone, which is UTC."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


class BowlIn(BaseModel):
    """A bowl as a client sends it."""

    text: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True,
            min_length=1,
            max_length=280,
            pattern=r"^[^\x00]*$",  # PostgreSQL stores no NUL
        ),
    ]


class BowlOut(BaseModel):
    """A bowl as the service returns it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str
    created_at: Annotated[datetime, AfterValidator(as_utc)]


def make_router(engine: Engine) -> APIRouter:
    """Make the routes under `/api/bowls`, on this engine's database."""
    router = APIRouter(prefix="/api/bowls", tags=["bowls"])

    @router.get("")
    def list_bowls() -> list[BowlOut]:
        """List the latest bowls, newest first."""
        with Session(engine) as session:
            bowls = session.scalars(
                select(Bowl).order_by(Bowl.id.desc()).limit(LIST_LIMIT)
            )
            return [BowlOut.model_validate(bowl) for bowl in bowls]

    @router.post("", status_code=status.HTTP_201_CREATED)
    def create_bowl(bowl_in: BowlIn) -> BowlOut:
        """Add a bowl."""
        with Session(engine) as session:
            bowl = Bowl(text=bowl_in.text)
            session.add(bowl)
            session.commit()
            return BowlOut.model_validate(bowl)

    return router
