"""Weir's HTTP API."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Iterator

import httpx

from .errors import Rejected, Unavailable

LOOPBACK: dict[str, None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}
"""Never through the proxy of the environment."""
WAIT_FIRST_S = 0.02
WAIT_MOST_S = 0.25


class Service:
    """Asks Weir: again and again for `timeout_s`, since the same intent asked twice holds nothing twice."""

    def __init__(self, url: str, key: str | None, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._silent = f"weir at {url} does not answer"
        self._options: dict[str, Any] = {
            "base_url": url,
            "headers": {"x-weir-key": key} if key else {},
            "mounts": LOOPBACK,
            "timeout": timeout_s,
        }
        self._http = httpx.Client(**self._options)

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises Unavailable or Rejected, with Weir's own words."""
        for left_s, wait_s in _tries(self._timeout_s):
            try:
                answer = _read(self._http.post(path, json=body, timeout=left_s))
            except httpx.TransportError as cause:
                answer = Unavailable(f"{self._silent}: {_words(cause)}")
            if isinstance(answer, dict):
                return answer
            last = answer
            time.sleep(wait_s)
        raise last

    async def ask_in_loop(
        self, http: httpx.AsyncClient, path: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        """The same for asyncio, by a client of `in_loop`."""
        for left_s, wait_s in _tries(self._timeout_s):
            try:
                answer = _read(await http.post(path, json=body, timeout=left_s))
            except httpx.TransportError as cause:
                answer = Unavailable(f"{self._silent}: {_words(cause)}")
            if isinstance(answer, dict):
                return answer
            last = answer
            await asyncio.sleep(wait_s)
        raise last

    def in_loop(self) -> httpx.AsyncClient:
        """A client of the service for one event loop."""
        return httpx.AsyncClient(**self._options)

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Once, whatever comes of it."""
        return self._http.post(path, json=body)

    def close(self) -> None:
        self._http.close()


def _tries(timeout_s: float) -> Iterator[tuple[float, float]]:
    """Time left and time to wait afterwards, until none is left; at least once."""
    end = time.monotonic() + timeout_s
    wait_s = WAIT_FIRST_S
    left_s = timeout_s
    while True:
        yield left_s, min(wait_s, max(0.0, end - time.monotonic()))
        left_s = end - time.monotonic()
        if left_s <= 0:
            return
        wait_s = min(WAIT_MOST_S, wait_s * 2)


def _read(response: httpx.Response) -> dict[str, Any] | Unavailable:
    """The answer, or why to ask again."""
    if response.status_code == 200:
        answer: dict[str, Any] = response.json()
        return answer
    try:
        told = response.json()
        code, message = told["code"], told["message"]
    except (ValueError, KeyError, TypeError):
        code, message = "", f"status {response.status_code}"
    if response.status_code in (429, 502, 503, 504) or code == "intent.in_flight":
        return Unavailable(f"weir cannot decide now: {message}")
    if response.status_code >= 500:
        raise Unavailable(f"weir cannot decide: {message}")
    raise Rejected(f"weir does not decide on this: {message}")


def _words(cause: Exception) -> str:
    return str(cause) or type(cause).__name__
