"""Calls through the SDK with the providers' own libraries: reads one scenario a line, answers one a line."""

import asyncio
import json
import sys
import traceback

import anthropic
import httpx
import httpx2
import openai
import weir as sdk

BASES = {"openai": "/v1", "anthropic": ""}


def told(error):
    """How a library's own error looks."""
    response = getattr(error, "response", None)
    return {
        "error": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", 0),
        "decision_id": response.headers.get("x-weir-decision-id", "") if response is not None else "",
    }


def client_of(weir, s, asynchronous=False):
    package = httpx2 if s["library"] == "anthropic" else httpx
    http = weir.async_http_client(package) if asynchronous else weir.http_client(package)
    kinds = {
        ("openai", False): openai.OpenAI,
        ("openai", True): openai.AsyncOpenAI,
        ("anthropic", False): anthropic.Anthropic,
        ("anthropic", True): anthropic.AsyncAnthropic,
    }
    kind = kinds[s["library"], asynchronous]
    base = s["provider"] + BASES[s["library"]]
    return kind(
        api_key=s["provider_key"], base_url=base, http_client=http, max_retries=s.get("retries", 0)
    )


def request_of(s, number=0):
    """The same question, but for its number: an agent that repeats itself is stopped."""
    asked = f"how are budgets reserved, part {number}?"
    messages = [{"role": "user", "content": asked}]
    request = {"messages": messages, "model": s["model"], "stream": s.get("stream", False)}
    if s["library"] == "anthropic":
        request["max_tokens"] = 200
    return request


def resource(client, s):
    return client.messages if s["library"] == "anthropic" else client.chat.completions


def text_of(answer, s):
    return answer.content[0].text if s["library"] == "anthropic" else answer.choices[0].message.content


def call(weir, s):
    calls = resource(client_of(weir, s), s)
    try:
        raw = calls.with_raw_response.create(**request_of(s))
        answer = raw.parse()
        result = {"decision_id": raw.headers.get("x-weir-decision-id", "")}
        result["effect"] = raw.headers.get("x-weir-effect", "")
        made = sdk.call_of(raw)
        if not s.get("stream"):
            settled = made.settled(30) if made else None
            return result | {"model": answer.model, "settled": settled, "text": text_of(answer, s)}
        events = []
        for event in answer:
            events.append(json.loads(event.to_json()))
            if len(events) == s.get("leave_after"):
                answer.close()
                break
        empty = [e for e in events if e.get("choices") == []]
        return result | {"events": len(events), "usage_only_events": len(empty)}
    except (openai.APIError, anthropic.APIError) as error:
        return told(error)


async def call_async(weir, s):
    calls = resource(client_of(weir, s, asynchronous=True), s)

    async def one(number):
        answer = await calls.create(**request_of(s, number))
        if not s.get("stream"):
            return text_of(answer, s)
        return len([event async for event in answer])

    try:
        return {"answers": await asyncio.gather(*(one(number) for number in range(s.get("parallel", 1))))}
    except (openai.APIError, anthropic.APIError) as error:
        return told(error)


def guard(weir, s):
    try:
        with weir.guard(s["model"], input_tokens=100, output_tokens_max=50) as guarded:
            if s.get("report"):
                guarded.report(input=90, output=40)
            if s.get("cancel"):
                guarded.cancel()
            return {"decision_id": guarded.decision["id"], "model": guarded.model}
    except (sdk.Refused, sdk.Rejected, sdk.Unavailable) as error:
        return {"error": type(error).__name__, "message": str(error)}


def perform(s):
    options = {"fail": s.get("fail", "closed"), "timeout_s": s.get("timeout_s", 30)}
    weir = sdk.Weir(s["weir"], s.get("key"), **options, **s["attribution"])
    try:
        with sdk.attribute(**s.get("intent", {})), sdk.run("outer"), sdk.run(s.get("run", "inner")):
            kind = s["kind"]
            if kind == "guard":
                result = guard(weir, s)
            elif kind == "async":
                result = asyncio.run(call_async(weir, s))
            else:
                result = call(weir, s)
        return result | {"flushed": weir.flush(s.get("flush_s", 30)), "undecided": weir.undecided}
    finally:
        weir.close()


for line in sys.stdin:
    try:
        answer = perform(json.loads(line))
    except Exception as error:
        answer = {"error": type(error).__name__, "message": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
