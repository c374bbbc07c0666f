"""Calls that no HTTP transport sees: a library of its own protocol, a tool, a local model."""

from __future__ import annotations

import asyncio
import functools
import inspect
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable

from .errors import Blocked, Throttled, Unavailable
from .reporter import Report

if TYPE_CHECKING:
    from .client import Weir


class GuardedCall:
    """One decided call; a context manager, for `with` and `async with`. Left without a report it is settled
    by its estimate."""

    def __init__(self, weir: Weir, intent: dict[str, Any]) -> None:
        self._weir = weir
        self._intent = intent
        self._reported = False
        self.decision: dict[str, Any] = {}
        """Weir's decision, as its JSON; empty where the call is made undecided."""

    @property
    def model(self) -> str:
        """Model to call, another than the asked one where it was rerouted."""
        return self.decision.get("model") or self._intent["model"]

    @property
    def obligations(self) -> dict[str, Any]:
        return self.decision.get("obligations", {})

    def report(
        self, *, raw: Any = None, format: str = "", outcome: str = "ok", **usage: int
    ) -> None:
        """Says what the call used: `report(input=900, output=80)`, or the provider's own figures with
        the name of their format, `report(raw=answer["usage"], format="openai.chat")`."""
        told = {"usage": usage} if raw is None else {"raw_usage": {"format": format, "json": raw}}
        self._report(told | {"basis": "provider", "outcome": outcome})

    def cancel(self) -> None:
        """The call was not made; what was held for it is given back."""
        self._send("/v1/cancel", {"decision_id": self.decision.get("id", "")})

    def __enter__(self) -> GuardedCall:
        asked = {"input": {"intent": self._intent}}
        try:
            answer = self._weir.service.ask("/v1/data/weir/decision", asked)
        except Unavailable as fault:
            if self._weir.fail == "closed":
                raise
            self._weir.count_undecided(fault)
            return self
        self.decision = answer["result"]
        refusal = {"block": Blocked, "throttle": Throttled}.get(self.decision["effect"])
        if refusal is not None:
            raise refusal(self.decision, answer["refusal"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        usage = {"input": self._intent["tokens"]["input"], "output": 0}
        outcome = "ok" if error is None else "error"
        self._report({"basis": "estimated", "outcome": outcome, "usage": usage})

    async def __aenter__(self) -> GuardedCall:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _report(self, report: dict[str, Any]) -> None:
        common = {"decision_id": self.decision.get("id", ""), "final": True, "sequence": 1}
        self._send("/v1/report", {"report": common | report})

    def _send(self, path: str, body: dict[str, Any]) -> None:
        if self.decision and not self._reported:
            self._reported = True
            self._weir.reporter.send(Report(path, (body,)))


def guarded(
    guard: Callable[[], GuardedCall], usage: Callable[[Any], dict[str, Any]] | None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorator behind `Weir.guarded`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        takes_call = "call" in inspect.signature(function).parameters

        def opened(call: GuardedCall) -> dict[str, Any]:
            if takes_call:
                return {"call": call}
            if call.decision.get("effect") == "reroute":
                call.cancel()
                why = f"rerouted to {call.model}, which {function.__name__} does not take"
                message = f"blocked by weir: {why}; give it a parameter named call and use call.model"
                raise Blocked(call.decision, {"code": "sdk.no_target", "message": message})
            return {}

        def settled(call: GuardedCall, answer: Any) -> Any:
            if usage is not None:
                call.report(**usage(answer))
            return answer

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def within(*arguments: Any, **named: Any) -> Any:
                async with guard() as call:
                    return settled(call, await function(*arguments, **named, **opened(call)))

        else:

            @functools.wraps(function)
            def within(*arguments: Any, **named: Any) -> Any:
                with guard() as call:
                    return settled(call, function(*arguments, **named, **opened(call)))

        return within

    return decorate
