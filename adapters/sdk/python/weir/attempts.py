"""Tells retries of libraries from new calls, so that they count as attempts of one intent."""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field

RETRY_S = 120.0
"""How long after a failure the same call counts as its retry."""
KEPT_MAX = 10_000


@dataclass(frozen=True)
class Attempt:
    """One try of an intent. `reason` says why there is more than one."""

    intent_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 1
    reason: str = ""


class Attempts:
    """The same request to the same place again, after one that failed, is its next attempt: libraries on top
    of others retry without saying so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, list[tuple[float, Attempt]]] = OrderedDict()

    def open(self, key: str, retry_count: int) -> Attempt:
        """The try that a call with this key is; `retry_count` is what its library says."""
        oldest = time.monotonic() - RETRY_S
        with self._lock:
            waiting = self._failed.pop(key, [])
            fresh = [one for one in waiting if one[0] >= oldest]
            before = fresh.pop()[1] if fresh else None
            if fresh:
                self._failed[key] = fresh
        if before is None:
            return Attempt(number=retry_count + 1, reason="retry" if retry_count > 0 else "")
        return Attempt(before.intent_id, before.number + 1, before.reason)

    def failed(self, key: str, attempt: Attempt, reason: str) -> None:
        """Notes that a try failed."""
        again = Attempt(attempt.intent_id, attempt.number, reason)
        with self._lock:
            self._failed[key] = [*self._failed.pop(key, []), (time.monotonic(), again)]
            if len(self._failed) > KEPT_MAX:
                self._failed.popitem(last=False)
