"""Keeps of an answer what tells its usage. Nothing is read here that Weir reads: it parses the figures."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

EVENTS_KEPT = 4
"""Usage events kept of a stream: the first two and the last two; providers tell it in either place."""
JSON_BYTES_MAX = 64 * 1024 * 1024

_SCALARS = ("type", "model", "object", "service_tier", "serviceTier", "status", "modelVersion")
_USAGE = ("usage", "usageMetadata", "x_groq")


def slim(document: Any) -> dict[str, Any]:
    """The members of a document that usage and outcome are read from; no text of the answer."""
    if not isinstance(document, dict):
        return {}
    kept = {name: document[name] for name in (*_SCALARS, *_USAGE) if name in document}
    for name in ("response", "message", "delta"):
        if isinstance(document.get(name), dict):
            kept[name] = slim(document[name]) | _reasons(document[name])
    for name in ("choices", "candidates"):
        if isinstance(document.get(name), list):
            kept[name] = [_reasons(choice) for choice in document[name]]
    return kept | _reasons(document)


_REASONS = ("finish_reason", "finishReason", "stop_reason", "incomplete_details")


def _reasons(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {}
    return {name: document[name] for name in _REASONS if name in document}


def tells_usage(document: Any) -> bool:
    """Whether a document holds figures, at its top or in what it wraps."""
    if not isinstance(document, dict):
        return False
    if any(isinstance(document.get(name), dict) for name in _USAGE):
        return True
    return any(tells_usage(document.get(name)) for name in ("response", "message"))


def is_usage_only(document: Any) -> bool:
    """The closing event of OpenAI's streams that only tells usage."""
    return (
        isinstance(document, dict)
        and document.get("choices") == []
        and isinstance(document.get("usage"), dict)
    )


def _is_last(document: Any) -> bool:
    last = ("message_stop", "response.completed", "response.incomplete", "response.failed")
    return isinstance(document, dict) and document.get("type") in last


def _tells_end(document: Any) -> bool:
    """Whether a document says why the answer ended."""
    if isinstance(document, list):
        return any(_tells_end(part) for part in document)
    if not isinstance(document, dict):
        return False
    if any(isinstance(document.get(name), (str, dict)) for name in _REASONS):
        return True
    return any(_tells_end(document.get(name)) for name in ("choices", "candidates", "delta"))


class Meter:
    """Watches an answer pass, whatever its chunks; what passes may lack an event the client did not ask for."""

    def __init__(self, content_type: str, encoding: str, strips_usage: bool) -> None:
        is_plain = encoding in ("", "identity")
        self._is_stream = "text/event-stream" in content_type and is_plain
        self._is_json = "json" in content_type and encoding in ("", "identity", "gzip", "deflate")
        self._is_packed = not is_plain
        self._strips = strips_usage and self._is_stream
        self._pending = bytearray()
        self._searched = 0
        self._body: list[bytes] = []
        self._kept: list[dict[str, Any]] = []
        self._ended = False
        self.finished = False
        """The answer is whole; a library may then leave without reading to the end of the connection."""
        self.bytes_seen = 0
        self.events = 0

    def take(self, chunk: bytes) -> bytes:
        """Takes a chunk as it comes and gives what the client gets for it."""
        self.bytes_seen += len(chunk)
        if self._is_json and self.bytes_seen <= JSON_BYTES_MAX:
            self._body.append(chunk)
        if not self._is_stream:
            return chunk
        self._pending += chunk
        passed = bytearray()
        while (end := self._event_end()) >= 0:
            event = bytes(self._pending[:end])
            del self._pending[:end]
            self._searched = 0
            if self._take_event(event):
                passed += event
        return bytes(passed) if self._strips else chunk

    def rest(self) -> bytes:
        """What is held back of a stream that ends within an event. Now the answer is whole."""
        rest = bytes(self._pending)
        self._pending.clear()
        self.finished = True
        return rest if rest and self._take_event(rest) and self._strips else b""

    def raw(self) -> Any:
        """What tells the usage, for `raw_usage` of the report; None where nothing does."""
        if self._is_stream:
            return self._kept if any(tells_usage(kept) for kept in self._kept) else None
        document = self._json()
        if isinstance(document, list):
            told = [slim(part) for part in document if tells_usage(part)]
            return told[-EVENTS_KEPT:] or None
        return slim(document) if tells_usage(document) else None

    def raise_output(self, seen: int) -> bool:
        """Anthropic's streams tell their output only at the end: of one that was left before, the output
        seen is put beside the input told. True if it was."""
        if self._ended:
            return False
        starts = [kept["message"] for kept in self._kept if kept.get("type") == "message_start"]
        for message in starts:
            usage = message.get("usage", {})
            usage["output_tokens"] = max(seen, usage.get("output_tokens") or 0)
        return bool(starts)

    def _json(self) -> Any:
        body = b"".join(self._body)
        try:
            if self._is_packed:
                body = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, JSON_BYTES_MAX)
            return json.loads(body) if body else None
        except (ValueError, zlib.error, RecursionError):
            return None

    def _take_event(self, event: bytes) -> bool:
        data = b"\n".join(
            line[5:].lstrip(b" ") for line in event.splitlines() if line.startswith(b"data:")
        )
        if not data or data == b"[DONE]":
            self.finished = self.finished or data == b"[DONE]"
            return True
        self.events += 1
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            return True
        self.finished = self.finished or _is_last(document)
        ends = _tells_end(document)
        self._ended = self._ended or ends
        if ends or tells_usage(document):
            self._kept.append(slim(document))
            if len(self._kept) > EVENTS_KEPT:
                del self._kept[EVENTS_KEPT // 2]
        return not (self._strips and is_usage_only(document))

    def _event_end(self) -> int:
        """Where the first event ends, behind its blank line; -1: not yet."""
        found = _BLANK_LINE.search(self._pending, max(0, self._searched - 3))
        self._searched = len(self._pending)
        return found.end() if found else -1


_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
