"""Ctrl-C and SIGTERM: a run that is asked to stop finishes its step and saves first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Any


class InterruptedRunError(RuntimeError):
    """A run was asked to stop, and saved its state first.

    Args:
        message: what to tell the user.
        number: the signal's number, or None if another process got it; the exit status of the command line is 128 more,
            as shells report signals.
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.exit_status = 128 + (signal.SIGTERM if number is None else number)


class StopRequest:
    """Whether the process was asked to stop, and by which signal."""

    number: int | None = None


@contextmanager
def stop_request(on_note: Callable[[str], None]) -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM during a block; a second SIGINT raises KeyboardInterrupt at once.

    Outside the main thread Python cannot catch signals, and a stop is never requested.

    Args:
        on_note: called when the first one arrives, in a thread of its own: the handler may have interrupted a print,
            and printing there again is an error.
    """
    request, process = StopRequest(), os.getpid()
    arrived: SimpleQueue[bool] = SimpleQueue()

    def tell() -> None:
        if arrived.get():
            on_note("stopping after this step, to save it; Ctrl-C again aborts at once and loses what was not saved")

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (Python passes both)
        if os.getpid() != process:  # a forked worker, which the terminal signals as well; its parent decides
            return
        if request.number == number == signal.SIGINT:
            raise KeyboardInterrupt
        if request.number is None:
            arrived.put(True)
        request.number = number

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    previous: dict[int, Any] = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        arrived.put(False)
        teller.join(timeout=1)  # no longer: whatever reads the output may have stopped to
