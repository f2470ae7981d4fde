"""Replies that the proxy writes itself when a budget is used up, as the official clients read them.

`Tests/Fixtures/endings` holds the replies; the tests in Swift check that the proxy writes exactly these.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from harness import SECONDS
from upstreams import Answer, serve

FOLDER = Path(__file__).parent.parent / "Fixtures" / "endings"
TEXT = 'That was "all":\n\u00e9\u2603\U0001f600'


def fixtures(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def parameters(name: str) -> Any:
    return pytest.mark.parametrize("case", fixtures(name), ids=lambda case: case["name"])


@contextmanager
def clients(case: dict[str, Any], **options: Any) -> Iterator[tuple[openai.OpenAI, anthropic.Anthropic, list]]:
    """Yields clients of a server that answers with the fixture, and the requests that it gets."""
    answer = Answer(case["status"], case["body"].encode(), case["headers"])
    settings = {"api_key": "sk-e2e", "timeout": SECONDS, **options}
    with (
        serve(answer) as (origin, requests),
        openai.OpenAI(base_url=f"{origin}/v1", **settings) as one,
        anthropic.Anthropic(base_url=origin, **settings) as other,
    ):
        yield one, other, requests


def assembled(case: dict[str, Any], one: openai.OpenAI, other: anthropic.Anthropic) -> Any:
    """Returns the reply as the client's own helpers put it together."""
    request = json.loads(case["request"])
    is_stream = request.pop("stream", False)
    match case["path"]:
        case "/v1/chat/completions":
            if not is_stream:
                return one.chat.completions.create(**request)
            with one.chat.completions.stream(**request) as stream:
                return stream.get_final_completion()
        case "/v1/completions":
            if not is_stream:
                return one.completions.create(**request)
            return list(one.completions.create(**request, stream=True))
        case "/v1/responses":
            if not is_stream:
                return one.responses.create(**request)
            with one.responses.stream(**request) as stream:
                return stream.get_final_response()
        case _:
            if not is_stream:
                return other.messages.create(**request)
            with other.messages.stream(**request) as stream:
                return stream.get_final_message()


def said(case: dict[str, Any]) -> Any:
    if '"json_schema"' in case["request"]:
        return {"answer": TEXT, "score": 1}
    return {"message": TEXT} if '"json_object"' in case["request"] else TEXT


def check_text(case: dict[str, Any], text: str) -> None:
    assert (text if said(case) == TEXT else json.loads(text)) == said(case)


def check_completions(case: dict[str, Any], reply: Any) -> None:
    if isinstance(reply, list):  # the events of a stream
        texts, reasons = {}, {}
        for chunk in reply:
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                reasons[choice.index] = choice.finish_reason
        assert set(texts.values()) == {TEXT} and set(reasons.values()) == {"stop"}
        assert len(texts) == json.loads(case["request"]).get("n", 1)
    else:
        assert [(choice.text, choice.finish_reason) for choice in reply.choices] == [(TEXT, "stop")]


def check_chat(case: dict[str, Any], reply: Any) -> None:
    request = json.loads(case["request"])
    assert len(reply.choices) == request.get("n", 1)
    for choice in reply.choices:
        assert choice.finish_reason == "stop" and choice.message.role == "assistant"
        assert not choice.message.tool_calls
        check_text(case, choice.message.content)
    asks_usage = request.get("stream_options", {}).get("include_usage", not request.get("stream"))
    assert (reply.usage and reply.usage.total_tokens) == (0 if asks_usage else None)


@parameters("final-messages.jsonl")
def test_final_message_is_a_reply(case: dict[str, Any]) -> None:
    with clients(case, max_retries=2) as (one, other, requests):
        reply = assembled(case, one, other)
    assert len(requests) == 1
    match case["path"]:
        case "/v1/completions":
            check_completions(case, reply)
        case "/v1/chat/completions":
            check_chat(case, reply)
        case "/v1/responses":
            assert (reply.status, reply.usage.total_tokens) == ("completed", 0)
            check_text(case, reply.output_text)
            assert [item.type for item in reply.output] == ["message"]
        case _:
            assert (reply.stop_reason, reply.usage.output_tokens) == ("end_turn", 0)
            assert [block.type for block in reply.content] == ["text"]
            check_text(case, reply.content[0].text)


def check_ended_chat(events: Iterator[Any], request: dict[str, Any]) -> None:
    state = ChatCompletionStreamState()
    texts: dict[int, str] = {}
    for chunk in events:
        state.handle_chunk(chunk)
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    # The client's final completion is an error for each reply that a limit has ended.
    reply = state.current_completion_snapshot
    assert len(reply.choices) == len(texts) == request.get("n", 1)
    for choice in reply.choices:
        assert choice.finish_reason in ("length", "stop", "tool_calls")
        assert (choice.message.content or "") == texts[choice.index]
    if request.get("stream_options"):
        assert reply.usage.completion_tokens > 0


def check_ended_completions(events: Iterator[Any], request: dict[str, Any]) -> None:
    reasons = {choice.index: choice.finish_reason for chunk in events for choice in chunk.choices}
    assert len(reasons) == request.get("n", 1) and set(reasons.values()) <= {"length", "stop"}


def check_ended_response(events: list[Any]) -> None:
    texts: dict[int, str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            texts[event.output_index] = texts.get(event.output_index, "") + event.delta
    assert events[-1].type == "response.incomplete"
    reply = events[-1].response
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert reply.usage.output_tokens > 0
    added = [event.item.id for event in events if event.type == "response.output_item.added"]
    done = [event.item.id for event in events if event.type == "response.output_item.done"]
    assert [item.id for item in reply.output] == added == done
    for index, item in enumerate(reply.output):
        parts = [*(getattr(item, "content", None) or []), *(getattr(item, "summary", None) or [])]
        text = getattr(item, "arguments", None) or "".join(part.text for part in parts)
        assert text == texts.get(index, "")


@parameters("endings.jsonl")
def test_ended_stream_is_a_reply(case: dict[str, Any]) -> None:
    request = json.loads(case["request"])
    messages = [{"role": "user", "content": "Hi"}]
    with clients(case, max_retries=2) as (one, other, requests):
        match case["path"]:
            case "/v1/chat/completions":
                check_ended_chat(one.chat.completions.create(model="m", messages=messages, stream=True), request)
            case "/v1/completions":
                check_ended_completions(one.completions.create(model="m", prompt="Hi", stream=True), request)
            case "/v1/responses":
                with one.responses.stream(model="m", input="Hi") as stream:
                    check_ended_response(list(stream))
            case _:
                with other.messages.stream(model="m", max_tokens=9, messages=messages) as stream:
                    events = list(stream)
                    reply = stream.get_final_message()
                assert events[-1].type == "message_stop"
                assert reply.stop_reason in ("max_tokens", "end_turn", "tool_use")
                assert "".join(event.text for event in events if event.type == "text") == "".join(
                    block.text for block in reply.content if block.type == "text"
                )
    assert len(requests) == 1


@parameters("errors.jsonl")
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_error_is_not_retried(case: dict[str, Any], is_stream: bool) -> None:
    with clients(case, max_retries=5) as (one, other, requests):
        case = {**case, "request": json.dumps({**json.loads(case["request"]), "stream": is_stream})}
        with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as caught:
            assembled(case, one, other)
    assert len(requests) == 1
    error = caught.value
    if case["path"] == "/v1/messages":
        assert error.body["error"]["type"] == "rate_limit_error"
    else:
        assert (error.code, error.type) == ("budget_exhausted", "insufficient_quota")


def test_without_the_header_the_clients_retry() -> None:
    """Shows that the header is what keeps them from it."""
    for case in fixtures("errors.jsonl"):
        case = {**case, "headers": {"Content-Type": "application/json", "retry-after-ms": "1"}}
        with (
            clients(case, max_retries=1) as (one, other, requests),
            pytest.raises((openai.RateLimitError, anthropic.RateLimitError)),
        ):
            assembled(case, one, other)
        assert len(requests) == 2
