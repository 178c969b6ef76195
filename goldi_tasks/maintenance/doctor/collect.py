"""Ask many questions at once, and wait for each no longer than it may take."""

import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any


class Late:
    """There was no answer in time."""


LATE = Late()


def together(questions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, Any]:
    """The answers by the names of the questions; the exception where one raised, LATE where one is still at it."""
    answers: dict[str, Any] = {}

    def ask(name: str, question: Callable[[], Any]) -> None:
        try:
            answers[name] = question()
        except Exception as error:
            # Handed over: whoever asked knows what is an answer.
            answers[name] = error

    # One that hangs in the kernel, as on a dead network file system, must not keep us from ending.
    threads = [Thread(target=ask, args=pair, daemon=True) for pair in questions.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    done = dict(answers)
    return {name: done.get(name, LATE) for name in questions}
