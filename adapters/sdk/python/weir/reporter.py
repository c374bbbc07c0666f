"""Sends reports beside the calls, again and again until Weir has taken them, and at exit."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable

import httpx

log = logging.getLogger("weir")

WAIT_FIRST_S = 0.1
WAIT_MOST_S = 5.0
FLUSH_S = 10.0
"""How long the end of the process waits for what is still to be sent."""
WAITING_MAX = 100_000
"""Reports that may wait; one more loses the oldest, and says so."""


@dataclass(frozen=True)
class Report:
    """One message to Weir, and what to say instead where that cannot be read, in this order."""

    path: str
    bodies: tuple[dict[str, Any], ...]
    done: Callable[[dict[str, Any] | None], None] = lambda result: None
    """Is told what came of it; None if it was lost."""


class Reporter:
    """A queue of reports with a thread of its own."""

    def __init__(self, post: Callable[[str, dict[str, Any]], httpx.Response]) -> None:
        self._post = post
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._waiting: deque[Report] = deque()
        self._thread: threading.Thread | None = None
        self._end_s: float | None = None
        self.lost = 0
        """Reports that Weir refused, or that did not reach it before the end."""

    def send(self, report: Report) -> None:
        with self._changed:
            if self._thread is None:
                self._end_s = None
                self._thread = threading.Thread(target=self._work, name="weir", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            if len(self._waiting) >= WAITING_MAX:
                self._lose(self._waiting.popleft(), f"more than {WAITING_MAX} reports wait")
            self._waiting.append(report)
            self._changed.notify_all()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Waits until everything sent so far was taken; False if time ran out."""
        self._hurry.set()
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def close(self) -> None:
        """Sends what is left, for as long as `FLUSH_S`, and ends."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._end_s = time.monotonic() + FLUSH_S
            self._changed.notify_all()
        if thread is None:
            return
        atexit.unregister(self.close)
        self._hurry.set()
        thread.join()

    def _work(self) -> None:
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._end_s is not None)
                if not self._waiting:
                    return
                report = self._waiting[0]
            taken = self._try(report)
            failures = 0 if taken else failures + 1
            with self._changed:
                if self._waiting and self._waiting[0] is report:
                    self._waiting.popleft()
                    if not taken:
                        # Last in the queue: one that Weir fails on keeps back no other.
                        self._waiting.append(report)
                if self._end_s is not None and not taken and time.monotonic() >= self._end_s:
                    while self._waiting:
                        self._lose(self._waiting.popleft(), "weir did not answer until the end")
                self._changed.notify_all()
            if not taken:
                self._pause(failures)

    def _pause(self, failures: int) -> None:
        most_s = WAIT_FIRST_S if self._end_s is not None else WAIT_MOST_S
        self._hurry.wait(min(most_s, WAIT_FIRST_S * 2 ** min(failures, 10)))
        self._hurry.clear()

    def _try(self, report: Report) -> bool:
        """True if it was taken, or never will be."""
        try:
            for body in report.bodies:
                answer = self._post(report.path, body)
                if answer.status_code != 400:
                    break
        except httpx.TransportError:
            return False
        except RuntimeError as closed:
            self._lose(report, str(closed))
            return True
        if answer.status_code >= 500 or answer.status_code == 429:
            return False
        if answer.status_code >= 400:
            self._lose(report, answer.text)
        else:
            report.done(answer.json().get("result"))
        return True

    def _lose(self, report: Report, why: str) -> None:
        self.lost += 1
        log.error("weir: not reported: %s: %s", why, report.bodies[-1])
        report.done(None)
