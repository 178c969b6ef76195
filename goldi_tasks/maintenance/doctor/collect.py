"""Call functions in parallel threads, and wait for them no longer than a timeout."""

import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any


class TimedOut:
    """The value of a call that has not returned in time."""


TIMED_OUT = TimedOut()


def call_in_parallel(questions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Any]:
    """Call each of `questions` in a thread for at most `seconds` in all.

    Returns by name what each returned, the exception that it raised, or LATE if it is still running.
    """
    answers: dict[str, Any] = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except Exception as error:
            answers[name] = error

    # Daemons: a thread that hangs in the kernel, as on a dead network file system, must not block the exit.
    threads = [Thread(target=ask, args=pair, daemon=True) for pair in questions.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    finished = dict(answers)
    return {name: finished.get(name, TIMED_OUT) for name in questions}
