"""The transports that stand between a provider's library and the provider."""

from __future__ import annotations

import asyncio
import functools
from types import ModuleType
from typing import TYPE_CHECKING, Any, AsyncIterator, Iterator

from .call import Call, Plan, without_private
from .errors import Rejected, Unavailable

if TYPE_CHECKING:
    from .client import Weir

CALLS = "/v1/calls"


@functools.cache
def transports(http: ModuleType) -> tuple[Any, Any]:
    """The transports, for threads and for asyncio, of `httpx` or of a package with its classes (`httpx2`)."""

    class Metered(http.SyncByteStream):
        """An answer that passes as it comes and is settled when it ends, however it ends."""

        def __init__(self, call: Call, response: Any) -> None:
            self._inner = response.stream
            self._meter = call.meter(response)
            self._over = functools.partial(call.settle, response.status_code, self._meter)

        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self._inner:
                    if passed := self._meter.take(chunk):
                        yield passed
                if rest := self._meter.rest():
                    yield rest
            except BaseException as fault:
                self._over("client" if isinstance(fault, _LEAVING) else "provider")
                raise
            self._over("")

        def close(self) -> None:
            self._over("client")
            self._inner.close()

    class AsyncMetered(http.AsyncByteStream):
        """The same for asyncio."""

        def __init__(self, call: Call, response: Any) -> None:
            self._inner = response.stream
            self._meter = call.meter(response)
            self._over = functools.partial(call.settle, response.status_code, self._meter)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._inner:
                    if passed := self._meter.take(chunk):
                        yield passed
                if rest := self._meter.rest():
                    yield rest
            except BaseException as fault:
                self._over("client" if isinstance(fault, _LEAVING) else "provider")
                raise
            self._over("")

        async def aclose(self) -> None:
            self._over("client")
            await self._inner.aclose()

    class WeirTransport(http.BaseTransport):
        """Has every POST decided before `inner` makes it, and settled after it."""

        def __init__(self, weir: Weir, inner: Any) -> None:
            self._weir = weir
            self._inner = inner

        def handle_request(self, request: Any) -> Any:
            if request.method != "POST":
                return self._inner.handle_request(without_private(request))
            plan = Plan(http, self._weir, request)
            if plan.is_read:
                request.read()
            answer: dict[str, Any] | Exception
            try:
                answer = self._weir.service.ask(CALLS, plan.question())
            except (Rejected, Unavailable) as fault:
                answer = fault
            passage = plan.passage(answer)
            if passage is None:
                return plan.let_through(self._inner.handle_request(request), answer)
            if not isinstance(passage, Call):
                return passage
            try:
                response = self._inner.handle_request(passage.request(request))
            except BaseException as fault:
                passage.failed(fault)
                raise
            return passage.marked(response, Metered(passage, response))

        def close(self) -> None:
            self._inner.close()

    class AsyncWeirTransport(http.AsyncBaseTransport):
        """The same for asyncio."""

        def __init__(self, weir: Weir, inner: Any) -> None:
            self._weir = weir
            self._inner = inner
            self._http = weir.service.in_loop()

        async def handle_async_request(self, request: Any) -> Any:
            if request.method != "POST":
                return await self._inner.handle_async_request(without_private(request))
            plan = Plan(http, self._weir, request)
            if plan.is_read:
                await request.aread()
            answer: dict[str, Any] | Exception
            try:
                question = plan.question()
                answer = await self._weir.service.ask_in_loop(self._http, CALLS, question)
            except (Rejected, Unavailable) as fault:
                answer = fault
            passage = plan.passage(answer)
            if passage is None:
                return plan.let_through(await self._inner.handle_async_request(request), answer)
            if not isinstance(passage, Call):
                return passage
            try:
                response = await self._inner.handle_async_request(passage.request(request))
            except BaseException as fault:
                passage.failed(fault)
                raise
            return passage.marked(response, AsyncMetered(passage, response))

        async def aclose(self) -> None:
            await self._http.aclose()
            await self._inner.aclose()

    return WeirTransport, AsyncWeirTransport


_LEAVING = (GeneratorExit, KeyboardInterrupt, asyncio.CancelledError)
