"""One call on its way: what Weir is asked of it, what it is sent as, what is reported of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .attempts import Attempt
from .context import ATTRIBUTION, Run, Scope, current
from .errors import Rejected
from .reporter import Report
from .meter import Meter

if TYPE_CHECKING:
    from .client import Weir

PRIVATE = "x-weir-"
"""Prefix of headers that are for Weir and never reach a provider."""


class Plan:
    """A request of a provider's library before it is decided on."""

    def __init__(self, http: ModuleType, weir: Weir, request: Any) -> None:
        self._http = http
        self._weir = weir
        self._request = request
        self._scope = _scope_of(request, weir.scope())
        without_private(request)
        self._digest = ""
        self._key = ""
        self._attempt = Attempt()

    @property
    def is_read(self) -> bool:
        """Whether the body is for Weir: of an upload it is told the address alone."""
        return "json" in self._request.headers.get("content-type", "")

    def question(self) -> dict[str, Any]:
        """What Weir is asked, the body having been read. The query stays here: it may hold a key."""
        request = self._request
        url = str(request.url.copy_with(query=None, fragment=None))
        content = request.content if self.is_read else b""
        self._digest = hashlib.sha256(content).hexdigest()[:32]
        self._key = f"{url} {self._digest}"
        count = request.headers.get("x-stainless-retry-count", "")
        self._attempt = self._weir.attempts.open(self._key, int(count) if count.isdecimal() else 0)
        intent = self._weir.intent(self._attempt, self._scope, self._digest)
        question = {"body": content.decode("utf-8", "replace"), "intent": intent, "url": url}
        provider = self._weir.providers.get(request.url.netloc.decode())
        return question | {"provider": provider} if provider else question

    def passage(self, answer: dict[str, Any] | Exception) -> Call | Any | None:
        """What to do: make a Call, return a response in the provider's place, or, None, send it as it is."""
        if isinstance(answer, Rejected):
            return self._undecided(403, "weir.rejected", answer)
        if isinstance(answer, Exception):
            if self._weir.fail == "closed":
                self.failed("weir_unavailable")
                return self._undecided(503, "weir.unavailable", answer)
            self._weir.count_undecided(answer)
            return None
        if answer["result"] is None:
            return None
        told = answer["answer"]
        if told is None:
            return Call(self, self._http, self._weir, answer)
        if answer["result"]["effect"] == "throttle":
            self.failed("throttled")
        return self._respond(told["status"], told["headers"], told["body"])

    def let_through(self, response: Any, answer: dict[str, Any] | Exception) -> Any:
        """A response to what was sent as it was: undecided, or a call that uses no model."""
        if isinstance(answer, Exception):
            response.headers[PRIVATE + "effect"] = "open"
        return response

    def failed(self, reason: str) -> None:
        self._weir.attempts.failed(self._key, self._attempt, reason)

    def _undecided(self, status: int, code: str, fault: Exception) -> Any:
        error = {"code": code, "message": str(fault), "type": code.replace(".", "_")}
        headers = {"content-type": "application/json", "x-weir-effect": "undecided"}
        if status == 403:
            # What is wrong with the request stays so.
            headers["x-should-retry"] = "false"
        return self._respond(status, headers, json.dumps({"error": error, "type": "error"}))

    def _respond(self, status: int, headers: dict[str, str], body: str) -> Any:
        content = body.encode()
        return self._http.Response(status, headers=headers, content=content, request=self._request)


class Call:
    """One decided call. `decision` is Weir's, as its JSON."""

    def __init__(self, plan: Plan, http: ModuleType, weir: Weir, answer: dict[str, Any]) -> None:
        self._plan = plan
        self._http = http
        self._weir = weir
        self._answer = answer
        self._lock = threading.Lock()
        self._reported = False
        self._settled = threading.Event()
        self._settlement: dict[str, Any] | None = None
        self.decision: dict[str, Any] = answer["result"]

    def settled(self, timeout_s: float = 10.0) -> dict[str, Any] | None:
        """What it was settled at, `charged_nano_usd` and the like, waited for; None if that is not known
        in time, or the report was lost. In asyncio: `await asyncio.to_thread(call.settled)`."""
        self._settled.wait(timeout_s)
        return self._settlement

    @property
    def strips_usage(self) -> bool:
        return self._answer["request"]["strips_usage"]

    def request(self, asked: Any) -> Any:
        """What is sent in the place of what was asked."""
        changed = self._answer["request"]
        headers = [
            (name, value)
            for name, value in asked.headers.raw
            if name.lower() not in (b"accept-encoding", b"content-length", b"transfer-encoding")
        ]
        sent = self._http.Request(
            asked.method,
            self._http.URL(changed["url"]).copy_with(query=asked.url.query or None),
            content=asked.content if changed["body"] is None else changed["body"].encode(),
            extensions=asked.extensions,
            headers=headers,
        )
        # Figures cannot be read in a compressed stream.
        sent.headers["accept-encoding"] = "identity"
        sent.headers.update(changed["headers"])
        return sent

    def meter(self, response: Any) -> Meter:
        headers = response.headers
        encoding = headers.get("content-encoding", "identity")
        return Meter(headers.get("content-type", ""), encoding, self.strips_usage)

    def marked(self, response: Any, stream: Any) -> Any:
        """The provider's response with the decision on it and another stream in it."""
        if response.status_code >= 400:
            is_wrong = response.status_code == 400
            self._plan.failed("invalid_request" if is_wrong else f"http_{response.status_code}")
        response.stream = stream
        response.extensions["weir"] = self
        for name, told in (("decision-id", "id"), ("effect", "effect"), ("model", "model")):
            response.headers[PRIVATE + name] = self.decision[told]
        if self.strips_usage and "content-length" in response.headers:
            del response.headers["content-length"]
        return response

    def failed(self, fault: BaseException) -> None:
        """No answer came. Where not even a connection did, nothing ran and what was held is given back."""
        http = self._http
        self._plan.failed("timeout" if isinstance(fault, http.TimeoutException) else "network")
        if isinstance(fault, (http.ConnectError, http.ConnectTimeout, http.PoolTimeout)):
            self._send("/v1/cancel", {"decision_id": self.decision["id"]})
        else:
            is_left = isinstance(fault, (asyncio.CancelledError, KeyboardInterrupt))
            outcome = "cancelled" if is_left else "error"
            self._report({"basis": "estimated", "outcome": outcome, "usage": self._estimate(0)})

    def settle(self, status: int, meter: Meter, left: str) -> None:
        """By the same rule as behind Envoy: the answer's figures whatever its status; else nothing of an
        error; else the input expected, and of the output what was seen. `left` says who ended it before
        its end: "client", "provider", or ""."""
        left = "" if meter.finished else left
        if left == "provider":
            self._plan.failed("broken")
        outcome = {"client": "cancelled", "provider": "error"}.get(left, "ok")
        if status >= 400:
            outcome = "error"
        seen = self._estimate(meter.events or math.ceil(meter.bytes_seen / 4))
        usage = seen if status < 400 else {"input": 0, "output": 0}
        estimated = {"basis": "estimated", "outcome": outcome, "usage": usage}
        raw = meter.raw()
        if raw is None:
            self._report(estimated)
            return
        told: dict[str, Any] = {"raw_usage": {"format": self._answer["format"], "json": raw}}
        if left and meter.raise_output(seen["output"]):
            self._report(told | {"basis": "estimated", "outcome": outcome}, estimated)
        elif outcome == "ok":
            # The answer itself says how it ended; most do.
            told["basis"] = "provider"
            self._report(told, told | {"outcome": outcome}, estimated)
        else:
            self._report(told | {"basis": "provider", "outcome": outcome}, estimated)

    def _estimate(self, output: int) -> dict[str, int]:
        most = self.decision["estimate"]["output_tokens_max"]
        return {"input": self._answer["input_tokens"], "output": min(output, most)}

    def _report(self, *reports: dict[str, Any]) -> None:
        common = {"decision_id": self.decision["id"], "final": True, "sequence": 1}
        self._send("/v1/report", *({"report": common | report} for report in reports))

    def _send(self, path: str, *bodies: dict[str, Any]) -> None:
        """Once: what ends first says how it ended."""
        with self._lock:
            is_first, self._reported = not self._reported, True
        if is_first:
            self._weir.reporter.send(Report(path, bodies, self._over))

    def _over(self, settlement: dict[str, Any] | None) -> None:
        self._settlement = settlement
        self._settled.set()


def call_of(response: Any) -> Call | None:
    """The decided call behind a response of httpx, or behind what a provider's library makes of it
    (`with_raw_response`, a stream); None if Weir had no part in it."""
    for name in ("http_response", "response"):
        response = getattr(response, name, response)
    call = getattr(response, "extensions", {}).get("weir")
    return call if isinstance(call, Call) else None


def without_private(request: Any) -> Any:
    """The request without what is for Weir alone."""
    for name in [name for name in request.headers if name.lower().startswith(PRIVATE)]:
        del request.headers[name]
    return request


def _scope_of(request: Any, outer: Scope) -> Scope:
    """The scope with what the request's own headers say in it: `x-weir-team: search`, …"""

    def told(name: str) -> str:
        return request.headers.get(PRIVATE + name.replace("_", "-"), "")

    given: dict[str, Any] = {name: told(name) for name in (*ATTRIBUTION, *_TEXTS) if told(name)}
    data: dict[str, Any] = {name: told(name) for name in _DATA if told(name)}
    classes = [name.strip() for name in told("data_classes").split(",") if name.strip()]
    if data or classes:
        given["data"] = outer.beside.get("data", {}) | data | ({"classes": classes} if classes else {})
    scope = outer.within(given)
    if not told("run"):
        return scope
    run = Run(told("run"), told("run_parent"), _count(told("run_depth")), _count(told("run_step")) - 1)
    return Scope(scope.attribution, scope.beside, run)


_TEXTS = ("task", "release")
_DATA = ("sensitivity", "residency")


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0
