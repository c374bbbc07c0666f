"""What a call that must not be made raises where no provider's library stands between."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A call that must not be made. `decision` is what Weir answered, as its JSON; `refusal` what is told
    of it: code, rule, remedy and, of a budget, its name and when it resets."""

    def __init__(self, decision: dict[str, Any], refusal: dict[str, Any]) -> None:
        super().__init__(refusal["message"])
        self.decision = decision
        self.refusal = refusal

    @property
    def decision_id(self) -> str:
        return self.decision["id"]

    @property
    def code(self) -> str:
        """Such as "budget.exhausted"."""
        return self.refusal["code"]


class Blocked(Refused):
    """Trying again does not help."""


class Throttled(Refused):
    """Try again after `retry_after_s` seconds."""

    @property
    def retry_after_s(self) -> float:
        return self.decision["retry_after_ms"] / 1000


class Unavailable(Exception):
    """Weir does not answer; nothing was decided."""


class Rejected(Exception):
    """Weir does not decide on such a request: a wrong key, attribution that may not be claimed, a call it
    does not know. Nothing was decided, and no fail mode lets it through."""
