"""What a record has as `response` is what the official clients assemble from the same stream.

The engine is scripted: it answers with the recorded streams of Tests/Fixtures/wire-samples, and with generated ones.
SDK_STREAMS is the number of generated streams per API (default 60); SDK_SEED the first seed.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import accumulation
import generated
from harness import SECONDS, StartProxy, eventually
from upstreams import by_number

SAMPLES = Path(__file__).parent.parent / "Fixtures" / "wire-samples"
COUNT = int(os.environ.get("SDK_STREAMS", "60"))
SEEDS = range(int(os.environ.get("SDK_SEED", "1")), int(os.environ.get("SDK_SEED", "1")) + COUNT)
PATHS = {"chat": "chat/completions", "completion": "completions", "response": "responses", "message": "messages"}

# Tests have unusual inputs of tools, which the client warns about when it serializes them.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")


def records(
    start_proxy: StartProxy, flags: list[str], route: str, streams: list[bytes], request: Any = None
) -> list[Any]:
    """Sends a request for each stream, and returns the records in the same order."""
    with by_number(streams) as origin:
        # The client has the log-probabilities in its reply.
        proxy = start_proxy(origin, "--trace-detail", "full", *flags)
        with httpx.Client(timeout=SECONDS) as client:
            for number, stream in enumerate(streams):
                body = {**(request or {"model": "m", "max_tokens": 9, "stream": True}), "seed": number}
                reply = client.post(f"{proxy.url}/{route}", json=body)
                assert reply.status_code == 200
                if "text" in flags:  # nothing was added to the request, so that nothing may be changed
                    assert reply.content == stream
        # A stream that ends without its terminal event may have its record a moment later.
        eventually(lambda: len(proxy.records()) == len(streams), "all records are in the trace")
        found = {record["request"]["seed"]: record for record in proxy.records()}
    return [found[number] for number in range(len(streams))]


# Comparison


def without_nulls(value: Any) -> Any:
    """Clients may leave out members that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


def assert_chat(response: Any, expected: Any) -> None:
    assert response["object"] == expected["object"]
    for name in ("id", "created", "model", "system_fingerprint"):
        assert response.get(name) == expected.get(name), name
    # The client takes the usage of the last chunk, even if that has none.
    if expected.get("usage"):
        assert without_nulls(response["usage"]) == without_nulls(expected["usage"])
    choices = {choice["index"]: choice for choice in expected["choices"]}
    assert sorted(choice["index"] for choice in response["choices"]) == sorted(choices)
    for choice in response["choices"]:
        wanted = choices[choice["index"]]
        assert choice["finish_reason"] == wanted["finish_reason"]
        assert without_nulls(choice["message"]) == without_nulls(client_message(wanted["message"]))
        assert logprobs(choice) == logprobs(wanted)


def client_message(message: Any) -> Any:
    """The client keeps the index of a tool call, which a reply that is not streamed does not have."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{k: v for k, v in call.items() if k != "index"} for call in calls]}


def logprobs(choice: Any) -> dict[str, Any]:
    """Without lists that are empty: the client keeps one if the first chunk had it."""
    found = without_nulls(choice.get("logprobs") or {})
    return {name: found[name] for name in ("content", "refusal") if found.get(name)}


def assert_completion(response: Any, expected: Any) -> None:
    for name in ("id", "created", "model", "usage"):
        assert without_nulls(response.get(name)) == without_nulls(expected.get(name)), name
    found = [{name: choice[name] for name in ("index", "text", "finish_reason")} for choice in response["choices"]]
    assert sorted(found, key=lambda choice: choice["index"]) == expected["choices"]


def assert_response(response: Any, expected: Any) -> None:
    # The client adds what it parsed of texts and arguments.
    assert comparable(response) == comparable(expected)


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        hidden = ("parsed", "parsed_arguments")
        return {name: comparable(part) for name, part in value.items() if part is not None and name not in hidden}
    return [comparable(part) for part in value] if isinstance(value, list) else value


def assert_message(response: Any, expected: Any) -> None:
    found, wanted = without_nulls(response), without_nulls(expected)
    # The client reads an unfinished `input` as far as it goes; the record has it as the text that came.
    for block, parsed in zip(found["content"], wanted["content"], strict=True):
        if isinstance(block.get("input"), str) and not isinstance(parsed.get("input"), str):
            block["input"] = parsed["input"]
    # The client knows the members of `usage`; others stay as they were at the start.
    usage, known = found.pop("usage"), wanted.pop("usage")
    assert {name: usage.get(name) for name in known} == known
    assert found == wanted


# Recorded streams


def recorded(kind: str) -> list[tuple[str, Any, bytes]]:
    """Returns the name, the request and the events of each recorded stream of an API."""
    found = []
    for file in sorted(SAMPLES.glob("*/*.response.txt")):
        request = file.with_name(file.name.replace(".response.", ".request."))
        request_head, _, request_body = request.read_bytes().partition(b"\n\n")
        head, _, body = file.read_bytes().replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        is_stream = b" 200" in head.split(b"\n")[0] and b"text/event-stream" in head.lower()
        if is_stream and request_head.split(b"\n")[0] == f"POST /v1/{PATHS[kind]}".encode():
            found.append(
                (f"{file.parent.name}/{file.name.removesuffix('.response.txt')}", json.loads(request_body), body)
            )
    return found


# The client itself fails on these streams.
UNREADABLE = {
    "vllm/err_top_logprobs_too_large_stream": "an error",
    "vllm-reasoning/err_top_logprobs_too_large_stream": "an error",
    "vllm-reasoning/messages_stream_tools": "an input that is no JSON, which the record has as a text",
    "llamacpp/completions_stream_2prompts": "events that are lists",
    "llamacpp-tools/completions_stream_2prompts": "events that are lists",
}


def compare_recorded(
    kind: str, start_proxy: StartProxy, flags: list[str], assemble: Callable[[bytes], Any], compare: Any
) -> None:
    samples = recorded(kind)
    found = records(start_proxy, flags, PATHS[kind], [stream for _, _, stream in samples])
    compared = 0
    for (name, _, stream), record in zip(samples, found, strict=True):
        print(name)
        if name in UNREADABLE:
            with pytest.raises((openai.APIError, ValueError, AttributeError)):
                assemble(stream)
        else:
            compare(record["response"], assemble(stream))
            compared += 1
    assert compared >= 7


CAPTURES = pytest.mark.parametrize("flags", [["--capture", "text"], ["--engine", "vllm"]], ids=["text", "tokens"])


@CAPTURES
def test_recorded_chats(start_proxy: StartProxy, flags: list[str]) -> None:
    compare_recorded("chat", start_proxy, flags, accumulation.chat, assert_chat)


@CAPTURES
def test_recorded_completions(start_proxy: StartProxy, flags: list[str]) -> None:
    compare_recorded("completion", start_proxy, flags, accumulation.completion, assert_completion)


@CAPTURES
def test_recorded_responses(start_proxy: StartProxy, flags: list[str]) -> None:
    compare_recorded("response", start_proxy, flags, accumulation.final_response, assert_response)


@CAPTURES
def test_recorded_messages(start_proxy: StartProxy, flags: list[str]) -> None:
    compare_recorded("message", start_proxy, flags, accumulation.message, assert_message)


# Generated streams


def compare_generated(
    kind: str, start_proxy: StartProxy, make: Callable[[int], bytes], assemble: Callable[[bytes], Any], compare: Any
) -> None:
    streams = [make(seed) for seed in SEEDS]
    found = records(start_proxy, ["--capture", "text"], PATHS[kind], streams)
    for seed, stream, record in zip(SEEDS, streams, found, strict=True):
        print(f"seed {seed}")
        compare(record["response"], assemble(stream))
        assert record["capture"] == {"level": "text", "complete": True, "problems": []} or kind == "chat"


def test_generated_chats(start_proxy: StartProxy) -> None:
    compare_generated("chat", start_proxy, generated.chat, accumulation.chat, assert_chat)


def test_generated_completions(start_proxy: StartProxy) -> None:
    compare_generated("completion", start_proxy, generated.completion, accumulation.completion, assert_completion)


def test_generated_messages(start_proxy: StartProxy) -> None:
    compare_generated("message", start_proxy, generated.message, accumulation.message, assert_message)


def test_generated_responses(start_proxy: StartProxy) -> None:
    def assemble(stream: bytes) -> Any:
        return accumulation.Response(stream).completed

    compare_generated(
        "response", start_proxy, lambda seed: generated.ResponseEvents(seed).stream(), assemble, assert_response
    )


def test_generated_responses_whose_end_has_no_output(start_proxy: StartProxy) -> None:
    """The client recovers the finished items if the member is missing. An empty list it takes as it is, unlike us."""
    made = [generated.ResponseEvents(seed) for seed in SEEDS]
    streams = [events.stream(output=None) for events in made] + [events.stream(output=[]) for events in made]
    found = records(start_proxy, ["--capture", "text"], "responses", streams)
    for number, record in enumerate(found):
        print(f"seed {SEEDS[number % COUNT]}")
        expected = accumulation.Response(streams[number % COUNT]).completed
        assert_response(record["response"], expected)
        assert record["capture"]["complete"]


def test_generated_responses_that_are_cut_off(start_proxy: StartProxy) -> None:
    """Items as the deltas made them. The client assembles texts and arguments only, so only those are compared."""
    made = [generated.ResponseEvents(seed) for seed in SEEDS]
    streams = [events.stream(ends=False) for events in made]
    found = records(start_proxy, ["--capture", "text"], "responses", streams)
    for events, stream, record in zip(made, streams, found, strict=True):
        expected = accumulation.Response(stream).snapshot["output"]
        # The client appends items in the order in which they came; the record has that of their index.
        order = {item["id"]: index for index, item in enumerate(events.items)}
        expected.sort(key=lambda item: order[item["id"]])
        assert [texts(item) for item in record["response"]["output"]] == [texts(item) for item in expected]
        assert record["capture"]["problems"] == ["stream_not_terminated"]


def texts(item: Any) -> Any:
    if item["type"] == "function_call":
        return comparable(item)
    parts = [comparable(part) for part in item.get("content") or [] if part["type"] == "output_text"]
    for part in parts:
        part.pop("annotations")  # the client leaves out those that come one by one
    return [item["id"], item["type"], parts]
