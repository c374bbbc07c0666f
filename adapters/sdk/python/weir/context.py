"""Who a call is for and which run it is a step of, carried by the context of threads and tasks."""

from __future__ import annotations

import contextvars
import functools
import inspect
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Callable
from urllib.parse import quote, unquote

ATTRIBUTION = (
    "tenant",
    "team",
    "feature",
    "service",
    "user",
    "cost_center",
    "environment",
    "customer",
)
"""Fields of attribution."""
BESIDE = ("task", "release", "labels", "data", "prompt")
"""Fields of an intent beside it that a scope may set."""


class Run:
    """One agent execution. Its steps are counted from 1 as its calls are made."""

    def __init__(self, id: str, parent: str = "", depth: int = 0, step: int = 0) -> None:
        self.id = id
        self.parent = parent
        self.depth = depth
        self.step = step
        self._lock = threading.Lock()

    def next_step(self) -> int:
        with self._lock:
            self.step += 1
            return self.step


@dataclass(frozen=True)
class Scope:
    """What the calls made within have in common."""

    attribution: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict)
    run: Run | None = None

    def within(self, given: dict[str, Any]) -> Scope:
        """This scope with these fields in it."""
        unknown = sorted(set(given) - {*ATTRIBUTION, *BESIDE})
        if unknown:
            accepted = ", ".join((*ATTRIBUTION, *BESIDE))
            raise TypeError(f"{', '.join(unknown)}: not accepted; accepted are {accepted}")
        attribution = {name: value for name, value in given.items() if name in ATTRIBUTION}
        beside = {name: value for name, value in given.items() if name in BESIDE}
        if "labels" in beside and "labels" in self.beside:
            beside["labels"] = self.beside["labels"] | beside["labels"]
        return Scope(self.attribution | attribution, self.beside | beside, self.run)

    def intent(self, fingerprint: str = "") -> dict[str, Any]:
        """The part of an intent that is this scope's; the next step of its run."""
        intent = dict(self.beside) | {"attribution": self.attribution}
        if self.run is not None:
            run = self.run
            intent["run"] = {"id": run.id, "depth": run.depth, "step": run.next_step()}
            if run.parent:
                intent["run"]["parent"] = run.parent
            if fingerprint:
                intent["run"]["fingerprint"] = fingerprint
        return intent


_scope: contextvars.ContextVar[Scope] = contextvars.ContextVar("weir_scope", default=Scope())


def current() -> Scope:
    return _scope.get()


class _Entered:
    """A scope to be entered with `with`, or put on a function or coroutine function as a decorator."""

    def __init__(self, change: Callable[[Scope], Scope]) -> None:
        self._change = change
        self._tokens: list[contextvars.Token[Scope]] = []

    def __enter__(self) -> Run | None:
        scope = self._change(_scope.get())
        self._tokens.append(_scope.set(scope))
        return scope.run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _scope.reset(self._tokens.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        change = self._change
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def within(*arguments: Any, **named: Any) -> Any:
                with _Entered(change):
                    return await function(*arguments, **named)

        else:

            @functools.wraps(function)
            def within(*arguments: Any, **named: Any) -> Any:
                with _Entered(change):
                    return function(*arguments, **named)

        return within


def attribute(**given: Any) -> _Entered:
    """Attributes the calls made within: fields of attribution (`team="search"`), and of the intent
    beside it (`task="classify"`, `labels={...}`, `data={"sensitivity": "confidential"}`)."""
    Scope().within(given)
    return _Entered(lambda outer: outer.within(given))


def run(id: str = "") -> _Entered:
    """Makes the calls within steps of a run; a run within another is its child, one deeper. Without an id
    it gets one that is a W3C trace id."""

    def change(outer: Scope) -> Scope:
        parent = outer.run
        own = id or secrets.token_hex(16)
        child = Run(own, parent.id, parent.depth + 1) if parent else Run(own)
        return Scope(outer.attribution, outer.beside, child)

    return _Entered(change)


def propagation() -> dict[str, str]:
    """Headers that continue this run in another process: `baggage`, and a `traceparent` where the run's id is
    a trace id. They are for services of one's own; calls to providers never carry them."""
    scope = _scope.get()
    members: list[tuple[str, str | int]] = []
    if scope.run is not None:
        run = scope.run
        members += [("weir.run", run.id), ("weir.step", run.step), ("weir.depth", run.depth + 1)]
        members += [("weir.parent", run.parent)] if run.parent else []
    user = scope.attribution.get("user")
    members += [("weir.user", user)] if user else []
    if not members:
        return {}
    headers = {"baggage": ",".join(f"{name}={quote(str(told), safe='')}" for name, told in members)}
    if scope.run is not None and re.fullmatch("[0-9a-f]{32}", scope.run.id):
        headers["traceparent"] = f"00-{scope.run.id}-{secrets.token_hex(8)}-01"
    return headers


def resume(headers: Mapping[str, str]) -> _Entered:
    """Goes on with the run that another process handed over by its `propagation`. A request that has a
    trace but no such baggage is of the run of that trace."""
    told = {name.lower(): value for name, value in headers.items()}
    pairs = (member.split(";")[0].partition("=") for member in told.get("baggage", "").split(","))
    baggage = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    trace = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", told.get("traceparent", ""))
    traced = trace[1] if trace and trace[1].strip("0") else ""
    id, user = baggage.get("weir.run") or traced, baggage.get("weir.user")
    depth, step = (_count(baggage.get(f"weir.{name}", "")) for name in ("depth", "step"))

    def change(outer: Scope) -> Scope:
        within = outer.within({"user": user} if user else {})
        run = Run(id, baggage.get("weir.parent", ""), depth, step) if id else outer.run
        return Scope(within.attribution, within.beside, run)

    return _Entered(change)


def _count(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,7}", text, re.ASCII) else 0
