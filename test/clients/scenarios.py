"""Calls through the SDK with the providers' own libraries: reads one scenario a line, answers one a line."""

import asyncio
import concurrent.futures
import contextlib
import inspect
import json
import os
import sys
import traceback

import anthropic
import httpx
import httpx2
import openai
import weir as sdk
from weir.meter import Meter

BASES = {"openai": "/v1", "anthropic": ""}
KINDS = {
    ("openai", False): openai.OpenAI,
    ("openai", True): openai.AsyncOpenAI,
    ("anthropic", False): anthropic.Anthropic,
    ("anthropic", True): anthropic.AsyncAnthropic,
}
ERRORS = (openai.APIError, anthropic.APIError)


def told(error):
    """How a library's own error looks."""
    response = getattr(error, "response", None)
    return {
        "error": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", 0),
        "body": getattr(error, "body", None),
        "decision_id": response.headers.get("x-weir-decision-id", "") if response is not None else "",
    }


def calls_of(weir, s):
    """What makes the calls of a library: its messages, its completions."""
    package = httpx2 if s["library"] == "anthropic" else httpx
    made = weir.async_http_client if s.get("asynchronous") else weir.http_client
    client = KINDS[s["library"], s.get("asynchronous", False)](
        api_key=s["provider_key"],
        base_url=s["provider"] + BASES[s["library"]],
        http_client=made(package, **s.get("http", {})),
        max_retries=s.get("retries", 0),
    )
    return client.messages if s["library"] == "anthropic" else client.chat.completions


def request_of(s, number=0):
    """The same question, but for its number: an agent that repeats itself is stopped."""
    asked = f"how are budgets reserved, part {number}?"
    messages = [{"role": "user", "content": asked}]
    request = {"messages": messages, "model": s["model"], "stream": s.get("stream", False)}
    if s["library"] == "anthropic":
        request["max_tokens"] = 200
    return request | {"extra_headers": s.get("headers", {})}


def text_of(answer, s):
    return answer.content[0].text if s["library"] == "anthropic" else answer.choices[0].message.content


def text_in(event, s):
    """The text of an event of a stream; None for one of OpenAI's without a choice."""
    if s["library"] == "anthropic":
        return event.delta.text if event.type == "content_block_delta" else ""
    return (event.choices[0].delta.content or "") if event.choices else None


def result_of(raw, settled, texts):
    return {
        "decision_id": raw.headers.get("x-weir-decision-id", ""),
        "effect": raw.headers.get("x-weir-effect", ""),
        "model": raw.headers.get("x-weir-model", ""),
        "settled": settled,
        "text": "".join(text for text in texts if text is not None),
        "usage_only_events": texts.count(None),
    }


def call(weir, s, number=0):
    try:
        raw = calls_of(weir, s).with_raw_response.create(**request_of(s, number))
        answer = raw.parse()
        texts = []
        if s.get("stream"):
            for event in answer:
                texts.append(text_in(event, s))
                if len(texts) == s.get("leave_after"):
                    answer.close()
                    break
        else:
            texts.append(text_of(answer, s))
        made = sdk.call_of(raw)
        return result_of(raw, made and made.settled(30), texts)
    except ERRORS as error:
        return told(error)


async def call_in_loop(weir, s, number=0):
    try:
        raw = await calls_of(weir, s).with_raw_response.create(**request_of(s, number))
        answer = raw.parse()
        answer = await answer if inspect.isawaitable(answer) else answer
        texts = []
        if s.get("stream"):
            async for event in answer:
                texts.append(text_in(event, s))
                if len(texts) == s.get("cancel_after"):
                    asyncio.current_task().cancel()
                    await asyncio.sleep(0)
                if len(texts) == s.get("leave_after"):
                    await answer.close()
                    break
        else:
            texts.append(text_of(answer, s))
        made = sdk.call_of(raw)
        return result_of(raw, made and await asyncio.to_thread(made.settled, 30), texts)
    except ERRORS as error:
        return told(error)


async def tasks(weir, s):
    made = (call_in_loop(weir, s, number) for number in range(s["parallel"]))
    return {"results": await asyncio.gather(*made)}


def threads(weir, s):
    with concurrent.futures.ThreadPoolExecutor(s["parallel"]) as pool:
        return {"results": list(pool.map(lambda number: call(weir, s, number), range(s["parallel"])))}


async def cancelled(weir, s):
    task = asyncio.create_task(call_in_loop(weir, s))
    try:
        await asyncio.wait_for(task, s.get("cancel_s", 30))
    except (asyncio.CancelledError, asyncio.TimeoutError) as error:
        return {"error": type(error).__name__}
    return {"error": ""}


def forked(weir, s):
    """A process that was forked from one with connections and a thread of its own."""
    first = call(weir, s)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(call(weir, s, 1) | {"flushed": weir.flush(30)}).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told_by_child:
        second = json.loads(told_by_child.read())
    os.waitpid(child, 0)
    return {"results": [first, second]}


def guard(weir, s):
    try:
        with weir.guard(s["model"], input_tokens=100, output_tokens_max=50) as guarded:
            if s.get("report"):
                guarded.report(input=90, output=40)
            if s.get("cancel"):
                guarded.cancel()
            if s.get("fails"):
                raise OSError("the tool failed")
            return {"decision_id": guarded.decision.get("id", ""), "model": guarded.model}
    except sdk.Refused as error:
        return {"error": type(error).__name__, "message": str(error), "refusal": error.refusal}
    except (sdk.Rejected, sdk.Unavailable, OSError) as error:
        return {
            "error": type(error).__name__,
            "message": str(error),
            "decision_id": guarded.decision["id"] if s.get("fails") else "",
        }


def decorated(weir, s):
    """A function and a coroutine function, each guarded in a run of its own."""
    options = {"input_tokens": 100, "usage": lambda answer: {"input": 90, "output": len(answer)}}

    @sdk.run("whole")
    @weir.guarded(s["model"], **options)
    def function(call):
        return [call.decision["id"]] * 7

    @sdk.run("tasks")
    @weir.guarded(s["model"], **options)
    async def coroutine(call):
        await asyncio.sleep(0)
        return [call.decision["id"]] * 8

    @weir.guarded(s["model"])
    def deaf():
        return ["called"]

    ids = [function()[0], asyncio.run(coroutine())[0]]
    try:
        return {"ids": ids, "deaf": deaf()}
    except sdk.Blocked as error:
        return {"ids": ids, "deaf": str(error)}


def handed_over(weir, s):
    """A run that goes on in another process, as far as headers can tell."""
    with sdk.attribute(user="u-7"), sdk.run() as run:
        call(weir, s)
        headers = sdk.propagation()
    traced = {"Traceparent": headers["traceparent"]}
    results = []
    for carried in (headers, traced):
        with sdk.resume(carried):
            results.append(call(weir, s, len(results) + 1))
    return {"run": run.id, "results": results}


def borders(s):
    """What a meter says of a stream, however it is cut into two, and byte by byte."""
    text = s["text"].encode()
    cuts = [[text[:at], text[at:]] for at in range(len(text))]
    cuts.append([text[at : at + 1] for at in range(len(text))])
    outcomes = set()
    for chunks in cuts:
        meter = Meter("text/event-stream", "identity", True)
        passed = b"".join(meter.take(chunk) for chunk in chunks) + meter.rest()
        outcomes.add((passed.decode(), json.dumps(meter.raw()), meter.events))
    return {"outcomes": sorted(outcomes)}


KINDS_OF_SCENARIO = {
    "decorated": decorated,
    "forked": forked,
    "guard": guard,
    "handed_over": handed_over,
    "threads": threads,
    "call": lambda weir, s: (
        asyncio.run(call_in_loop(weir, s)) if s.get("asynchronous") else call(weir, s)
    ),
    "cancelled": lambda weir, s: asyncio.run(cancelled(weir, s)),
    "tasks": lambda weir, s: asyncio.run(tasks(weir, s)),
}


@contextlib.contextmanager
def environment(variables):
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def perform(s):
    if s["kind"] == "borders":
        return borders(s)
    options = {"fail": s.get("fail", "closed"), "timeout_s": s.get("timeout_s", 30)}
    options["providers"] = s.get("providers")
    weir = sdk.Weir(s["weir"], s.get("key"), **options, **s["attribution"])
    run = sdk.run(s["run"]) if "run" in s else contextlib.nullcontext()
    try:
        with environment(s.get("environment", {})), sdk.attribute(**s.get("intent", {})):
            with sdk.run(s.get("outer", "outer")), run:
                result = KINDS_OF_SCENARIO[s["kind"]](weir, s)
        flushed = weir.flush(s.get("flush_s", 30))
        return result | {"flushed": flushed, "lost": weir.lost, "undecided": weir.undecided}
    finally:
        weir.close()


for line in sys.stdin:
    try:
        answer = perform(json.loads(line))
    except Exception as error:
        answer = {"error": type(error).__name__, "message": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
