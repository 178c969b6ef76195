"""The web application: `python -m uvicorn goldilocks.app:app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response, status
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from goldilocks.bowls import make_router
from goldilocks.database import make_engine
from goldilocks.migrations import migrate
from goldilocks.settings import Settings

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application; nothing connects anywhere before it starts."""
    settings = settings or Settings()
    engine = make_engine(settings.database_url, settings.database_password_file)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(migrate, engine)
        try:
            yield
        finally:
            engine.dispose()

    app = FastAPI(title="Goldilocks", lifespan=lifespan)
    app.include_router(make_router(engine))

    @app.get("/health", tags=["health"])
    def health(response: Response) -> dict[str, str]:
        """Tell whether the service can reach its database."""
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            logger.warning("health check failed: %s", error)
            response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
            return {"status": "unavailable"}
        return {"status": "ok"}

    static = settings.goldilocks_static
    if static.is_dir():  # last, for it answers all that is left
        app.mount("/", StaticFiles(directory=static, html=True), name="static")
    return app


app = create_app()
