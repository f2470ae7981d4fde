"""What the official clients make of a stream: their own accumulation, fed with the bytes of an engine."""

import json
from typing import Any

import anthropic
import httpx2
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState

MESSAGES = [{"role": "user", "content": "x"}]


def transport(stream: bytes) -> httpx2.MockTransport:
    headers = {"Content-Type": "text/event-stream"}
    return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=stream))


def openai_client(stream: bytes) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(transport=transport(stream))
    return openai.OpenAI(base_url="http://engine/v1", api_key="sk-e2e", max_retries=0, http_client=http)


def chat(stream: bytes) -> dict[str, Any]:
    state: Any = ChatCompletionStreamState()
    with openai_client(stream) as client:
        chunks: Any = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        for chunk in chunks:
            state.handle_chunk(chunk)
    return state.current_completion_snapshot.to_dict()


def completion(stream: bytes) -> dict[str, Any]:
    """The client has no accumulation for this API; its users join the texts of each choice."""
    texts: dict[int, str] = {}
    reasons: dict[int, str | None] = {}
    last: dict[str, Any] = {}
    with openai_client(stream) as client:
        for chunk in client.completions.create(model="m", prompt="x", stream=True):
            last = {**last, **{name: value for name, value in chunk.to_dict().items() if value is not None}}
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
                reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    choices = [{"index": index, "text": texts[index], "finish_reason": reasons[index]} for index in sorted(texts)]
    return {**last, "choices": choices}


class Response:
    """A response as the client has it at the end of the stream."""

    def __init__(self, stream: bytes) -> None:
        state: Any = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
        with openai_client(stream) as client:
            for event in client.responses.create(model="m", input="x", stream=True):
                state.handle_event(event)
        completed = state._completed_response
        self.completed = completed.to_dict(mode="json") if completed else None
        self.snapshot = state._ResponseStreamState__current_snapshot.to_dict(mode="json")


def final_response(stream: bytes) -> dict[str, Any]:
    """The response of the terminal event, for streams without the indices that the accumulation requires."""
    with openai_client(stream) as client:
        events = list(client.responses.create(model="m", input="x", stream=True))
    return events[-1].to_dict(mode="json")["response"]


def message(stream: bytes) -> dict[str, Any]:
    http = anthropic.DefaultHttpxClient(transport=transport(stream))
    options: dict[str, Any] = {"base_url": "http://engine", "api_key": "sk-e2e", "max_retries": 0, "http_client": http}
    with (
        anthropic.Anthropic(**options) as client,
        client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as events,
    ):
        return events.get_final_message().to_dict(mode="json")


def events_of(stream: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in stream.decode("utf-8", "replace").split("\n")]
    return [json.loads(line) for line in lines if line.startswith("{")]
