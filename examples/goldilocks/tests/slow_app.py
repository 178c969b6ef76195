"""The application with an answer that takes its time, for the tests of its end."""

from goldilocks.app import create_app

app = create_app()


@app.get("/slow")
def slow() -> str:
    """Say that the work has begun, and answer with the next line that comes in."""
    print("slow: begun", flush=True)
    return input()
