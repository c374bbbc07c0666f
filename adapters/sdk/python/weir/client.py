"""The client of one Weir service."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Callable, Literal

import httpx

from .attempts import Attempt, Attempts
from .context import ATTRIBUTION, Scope, current
from .errors import Unavailable
from .guard import GuardedCall, guarded
from .reporter import Reporter
from .routes import routed
from .service import Service
from .transport import transports

log = logging.getLogger("weir")

URL = "http://127.0.0.1:7351"
TIMEOUT_S = 2.0


class Weir:
    """Decides on calls and settles them.

    `url` is Weir's HTTP address (default: the variable WEIR_URL, else this machine's), `key` an API key
    (default: WEIR_KEY). Further arguments attribute every call: `Weir(tenant="acme", team="search")`.
    `fail` says what becomes of a call if Weir does not answer for `timeout_s`: "closed", it is not made;
    "open", it is made undecided, and counted in `undecided`. `providers` names the provider behind a host
    that does not tell it: `{"gateway.internal": "mistral"}`. One client serves any number of threads and
    tasks.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        fail: Literal["closed", "open"] = "closed",
        timeout_s: float = TIMEOUT_S,
        providers: Mapping[str, str] | None = None,
        **attribution: str,
    ) -> None:
        unknown = sorted(set(attribution) - set(ATTRIBUTION))
        if unknown:
            accepted = ", ".join(ATTRIBUTION)
            raise TypeError(f"{', '.join(unknown)}: not accepted; accepted are {accepted}")
        if fail not in ("closed", "open"):
            raise ValueError(f"fail={fail!r} is not accepted; accepted are closed, open")
        key = key if key is not None else os.environ.get("WEIR_KEY")
        self.fail = fail
        self.undecided = 0
        self.providers = dict(providers or {})
        self.attempts = Attempts()
        self._attribution = attribution
        self._address = (url or os.environ.get("WEIR_URL") or URL, key, timeout_s)
        self._open()
        _living.add(self)

    def _open(self) -> None:
        self.service = Service(*self._address)
        self.reporter = Reporter(lambda path, body: self.service.post(path, body))

    def http_client(self, http: ModuleType = httpx, **options: Any) -> Any:
        """An HTTP client for a provider's library: `OpenAI(http_client=weir.http_client())`. A library on
        another package of httpx's classes names it: `Anthropic(http_client=weir.http_client(httpx2))`.
        Options are those of `httpx.Client`."""
        kind, _ = transports(http)
        options = routed(http, http.HTTPTransport, lambda inner: kind(self, inner), options)
        return http.Client(**(_patient(http) | options))

    def async_http_client(self, http: ModuleType = httpx, **options: Any) -> Any:
        """The same for asyncio: `AsyncOpenAI(http_client=weir.async_http_client())`."""
        _, kind = transports(http)
        options = routed(http, http.AsyncHTTPTransport, lambda inner: kind(self, inner), options)
        return http.AsyncClient(**(_patient(http) | options))

    def guard(
        self,
        model: str,
        *,
        operation: str = "",
        input_tokens: int = 0,
        output_tokens_max: int = 0,
        id: str = "",
        attempt: int = 1,
    ) -> GuardedCall:
        """A call that no transport sees: `with weir.guard("openai:gpt-5", input_tokens=900) as call: …`,
        then `call.report(input=…, output=…)`. Entering raises Blocked, Throttled, Rejected or Unavailable.
        A retry names the `id` of the first try and its own `attempt`."""
        number = Attempt(number=attempt) if not id else Attempt(id, attempt)
        intent = self.intent(number, self.scope(), "")
        intent["tokens"] = {"input": input_tokens, "output_max": output_tokens_max}
        provider = model.split(":")[0]
        intent["model"], intent["providers"] = model, [provider]
        intent["operation"] = operation or ("tool" if provider == "tool" else "chat")
        return GuardedCall(self, intent)

    def guarded(
        self, model: str, *, usage: Callable[[Any], dict[str, Any]] | None = None, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator for functions and coroutine functions, each call of which is guarded:
        `@weir.guarded("tool:search")`. `usage` makes of what is returned the arguments of
        `GuardedCall.report`. A function with a parameter `call` gets the GuardedCall in it."""
        return guarded(lambda: self.guard(model, **options), usage)

    def scope(self) -> Scope:
        """Who a call made now is for, and its run."""
        scope = current()
        return Scope(self._attribution | scope.attribution, scope.beside, scope.run)

    def intent(self, attempt: Attempt, scope: Scope, fingerprint: str) -> dict[str, Any]:
        """The intent of a call, without what the call itself tells. A retry repeats no step."""
        tried = {"number": attempt.number, "reason": attempt.reason}
        own = fingerprint if attempt.number == 1 else ""
        return scope.intent(own) | {"id": attempt.intent_id, "attempt": tried}

    def count_undecided(self, why: Unavailable | Exception) -> None:
        self.undecided += 1
        log.warning("weir: a call is made undecided: %s", why)

    @property
    def lost(self) -> int:
        """Reports that were given up; each is told of in the log "weir"."""
        return self.reporter.lost

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until all reports so far were taken; False if time ran out."""
        return self.reporter.flush(timeout_s)

    def close(self) -> None:
        """Sends what is left to report and ends; also done at exit."""
        self.reporter.close()
        self.service.close()


def _patient(http: ModuleType) -> dict[str, Any]:
    """Model calls are slow; httpx would give up after 5 seconds where nobody says otherwise."""
    return {"timeout": http.Timeout(600.0, connect=5.0), "follow_redirects": True}


_living: weakref.WeakSet[Weir] = weakref.WeakSet()


def _reopen() -> None:
    """A forked process has neither the threads nor the connections of the one it is a copy of."""
    for weir in list(_living):
        weir._open()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen)
