"""Streams of all APIs, made from a seed: what engines send, cut into pieces at random places."""

import json
import random
from collections.abc import Iterator
from typing import Any

ALPHABET = ["a", "Hi", " ", "\n", "é", "☃", "😀", '"', "\\", "\u2028", "\u0000", "</s>", "{", "}", "日本", ""]


class Maker:
    """Random values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float = 0.5) -> bool:
        return self.random.random() < probability

    def text(self, most: int = 8) -> str:
        return "".join(self.random.choices(ALPHABET, k=self.random.randint(0, most)))

    def pieces(self, text: str) -> list[str]:
        """Cuts a text into pieces, some of them empty."""
        cuts = sorted(self.random.randint(0, len(text)) for _ in range(self.random.randint(0, 4)))
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def name(self, prefix: str) -> str:
        return f"{prefix}_{self.random.randrange(10**8):08d}"

    def arguments(self) -> str:
        value = {self.text(2): self.random.choice([1, 2.5, None, True, [self.text()], {"x": self.text()}])}
        return json.dumps(value, ensure_ascii=self.chance())

    def merged(self, sequences: list[list[Any]]) -> Iterator[Any]:
        """Interleaves sequences; each keeps its order."""
        waiting = [sequence[:] for sequence in sequences if sequence]
        while waiting:
            sequence = self.random.choice(waiting)
            yield sequence.pop(0)
            waiting = [sequence for sequence in waiting if sequence]

    def encode(self, data: dict[str, Any], name: str | None = None) -> bytes:
        separators = (",", ":") if self.chance() else (", ", ": ")
        text = json.dumps(data, ensure_ascii=self.chance(), separators=separators)
        if "\u2028" in text and self.chance():
            text = text.replace("\u2028", "\\u2028")
        comment = ": keep-alive\n\n" if self.chance(0.05) else ""
        return f"{comment}{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()


# Chat completions


def chat(seed: int) -> bytes:
    make = Maker(seed)
    envelope = {"id": make.name("chatcmpl"), "object": "chat.completion.chunk", "created": seed, "model": "m"}
    if make.chance(0.3):
        envelope["system_fingerprint"] = "fp_1"
    count = make.random.choice([1, 1, 1, 2, 3])
    choices = [list(chat_deltas(make)) for _ in range(count)]
    with_logprobs = make.chance(0.4)
    chunks: list[dict[str, Any]] = []
    for index in range(count):
        first: dict[str, Any] = {"role": "assistant"}
        if make.chance():
            first["content"] = make.random.choice(["", None])
        chunks.append({"choices": [{"index": index, "delta": first, "logprobs": None, "finish_reason": None}]})
    sequences = []
    for index, deltas in enumerate(choices):
        reason = (
            "tool_calls" if any("tool_calls" in delta for delta in deltas) else make.random.choice(["stop", "length"])
        )
        parts = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
        if with_logprobs:
            for part in parts:
                part["logprobs"] = chat_logprobs(make, part["delta"])
        if parts and make.chance(0.3):
            parts[-1]["finish_reason"] = reason
        else:
            parts.append({"index": index, "delta": {}, "finish_reason": reason, "logprobs": None})
        sequences.append(parts)
    chunks += [{"choices": [part]} for part in make.merged(sequences)]
    if make.chance(0.7):
        usage = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
        late = make.chance(0.7)
        if late:
            chunks.append({"choices": [], "usage": usage})
        else:
            chunks[-1]["usage"] = usage
    return b"".join(make.encode(envelope | chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def chat_logprobs(make: Maker, delta: dict[str, Any]) -> dict[str, Any] | None:
    if make.chance(0.2):
        return None
    kind = "refusal" if "refusal" in delta else "content"
    entries = [
        {"token": make.text(2), "logprob": -make.random.random(), "bytes": None, "top_logprobs": []}
        for _ in range(make.random.randint(0, 2))
    ]
    return {kind: entries}


def chat_deltas(make: Maker) -> Iterator[dict[str, Any]]:
    """Each sequence grows one member of the message."""
    sequences: list[list[dict[str, Any]]] = []
    for member in ["content", "refusal", "reasoning_content", "reasoning", "vendor_text"]:
        if make.chance(0.7 if member == "content" else 0.15):
            sequences.append([{member: piece} for piece in make.pieces(make.text(12))])
            if make.chance(0.2):
                sequences[-1].append({member: None})
    if make.chance(0.15):
        sequences.append([{"vendor_list": [make.text(2)]} for _ in range(make.random.randint(1, 3))])
    if make.chance(0.2):
        audio: list[dict[str, Any]] = [{"audio": {"id": make.name("audio")}}]
        audio += [{"audio": {"data": piece}} for piece in make.pieces("QUJDREVG")]
        audio += [{"audio": {"transcript": piece}} for piece in make.pieces(make.text())]
        sequences.append([*audio, {"audio": {"expires_at": 5}}])
    if make.chance(0.1):
        function: list[dict[str, Any]] = [{"function_call": {"name": "f", "arguments": ""}}]
        sequences.append(
            function + [{"function_call": {"arguments": piece}} for piece in make.pieces(make.arguments())]
        )
    if make.chance(0.4):
        sequences.append(list(tool_call_deltas(make)))
    yield from make.merged(sequences)


def tool_call_deltas(make: Maker) -> Iterator[dict[str, Any]]:
    starts: list[dict[str, Any]] = []
    rest: list[list[dict[str, Any]]] = []
    for index in range(make.random.randint(1, 3)):
        is_custom = make.chance(0.2)
        kind, member = ("custom", "input") if is_custom else ("function", "arguments")
        start = {"index": index, "id": make.name("call"), "type": kind, kind: {"name": make.name("f"), member: ""}}
        pieces = make.pieces(make.text() if is_custom else make.arguments())
        if make.chance(0.2):
            start[kind][member] = pieces.pop(0)
        if make.chance(0.1):
            start["extra_content"] = {"vendor": {"thought_signature": "c2ln"}}
        starts.append(start)
        rest.append([{"index": index, kind: {member: piece}} for piece in pieces])
    if make.chance(0.3):
        yield {"tool_calls": starts}
    else:
        yield from ({"tool_calls": [start]} for start in starts)
    if make.chance():
        yield from ({"tool_calls": [piece]} for piece in make.merged(rest))
    else:
        yield from ({"tool_calls": [piece]} for pieces in rest for piece in pieces)


# Completions


def completion(seed: int) -> bytes:
    make = Maker(seed)
    envelope = {"id": make.name("cmpl"), "object": "text_completion", "created": seed, "model": "m"}
    sequences = []
    for index in range(make.random.choice([1, 1, 2, 3])):
        parts = [
            {"index": index, "text": piece, "logprobs": None, "finish_reason": None}
            for piece in make.pieces(make.text(12))
        ]
        parts[-1]["finish_reason"] = make.random.choice(["stop", "length"])
        sequences.append(parts)
    chunks: list[dict[str, Any]] = [{"choices": [part]} for part in make.merged(sequences)]
    if make.chance():
        usage = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
        chunks.append({"choices": [], "usage": usage})
    return b"".join(make.encode(envelope | chunk) for chunk in chunks) + b"data: [DONE]\n\n"


# Responses


class ResponseEvents:
    """The events of one response, before they are numbered and encoded."""

    def __init__(self, seed: int) -> None:
        self.make = Maker(seed)
        self.base = {"id": self.make.name("resp"), "object": "response", "created_at": float(seed), "model": "m"}
        self.items: list[dict[str, Any]] = []
        sequences = [list(self.item(index)) for index in range(self.make.random.randint(1, 4))]
        interleaved = self.make.chance(0.3)
        events = self.make.merged(sequences) if interleaved else (event for events in sequences for event in events)
        self.events = list(events)

    def stream(self, output: Any = ..., ends: bool = True) -> bytes:
        """Returns the stream. `output` replaces that of the terminal event; None leaves the member out."""
        usage = {"input_tokens": 3, "output_tokens": 7, "total_tokens": 10}
        response = {**self.base, "status": "in_progress", "output": [], "usage": None}
        final = {**self.base, "status": "completed", "output": self.items, "usage": usage}
        if output is None:
            del final["output"]
        elif output is not ...:
            final["output"] = output
        events = [{"type": f"response.{kind}", "response": response} for kind in ("created", "in_progress")]
        events += self.events if ends else [event for event in self.events if not event["type"].endswith(".done")]
        if ends:
            events.append({"type": "response.completed", "response": final})
        numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
        make = Maker(0)
        return b"".join(make.encode(event, event["type"]) for event in numbered)

    def item(self, index: int) -> Iterator[dict[str, Any]]:
        kind = self.make.random.choice(
            ["message", "message", "reasoning", "function_call", "function_call", "custom_tool_call", "web_search_call"]
        )
        makers = {
            "message": self.message,
            "reasoning": self.reasoning,
            "function_call": self.call,
            "custom_tool_call": self.call,
        }
        item = {"id": self.make.name("item"), "type": kind, "status": "in_progress"}
        place = {"output_index": index, "item_id": item["id"]}
        fill = makers.get(kind)
        body = list(fill(item, place)) if fill else []
        added = {**item, **self.blank(kind, item)}
        self.items.append({})
        item["status"] = "completed"
        self.items[index] = item
        yield {"type": "response.output_item.added", "output_index": index, "item": added}
        yield from body
        yield {"type": "response.output_item.done", "output_index": index, "item": item}

    def blank(self, kind: str, item: dict[str, Any]) -> dict[str, Any]:
        """The members of an item that is announced."""
        blanks: dict[str, dict[str, Any]] = {
            "message": {"content": []},
            "reasoning": {"summary": []},
            "function_call": {"arguments": ""},
            "custom_tool_call": {"input": ""},
        }
        return blanks.get(kind, {})

    def message(self, item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
        item |= {"role": "assistant", "content": []}
        for index in range(self.make.random.randint(1, 2)):
            kind = "refusal" if self.make.chance(0.2) else "output_text"
            member = "refusal" if kind == "refusal" else "text"
            text = self.make.text(12)
            part: dict[str, Any] = {"type": kind, member: text}
            if kind == "output_text":
                part |= {"annotations": [], "logprobs": []}
            item["content"].append(part)
            at = {**place, "content_index": index}
            prefix = f"response.{'refusal' if kind == 'refusal' else 'output_text'}"
            yield {"type": "response.content_part.added", **at, "part": {**part, member: "", **empty_lists(part)}}
            extra = {"logprobs": []} if kind == "output_text" else {}
            for piece in self.make.pieces(text):
                yield {"type": f"{prefix}.delta", **at, "delta": piece, **extra}
            if kind == "output_text" and self.make.chance(0.3):
                note = {"type": "url_citation", "start_index": 0, "end_index": 1, "url": "u", "title": self.make.text()}
                part["annotations"].append(note)
                position = {"annotation_index": 0, "annotation": note}
                yield {"type": "response.output_text.annotation.added", **at, **position}
            yield {"type": f"{prefix}.done", **at, member: text, **extra}
            yield {"type": "response.content_part.done", **at, "part": part}

    def reasoning(self, item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
        item["summary"] = []
        for index in range(self.make.random.randint(1, 2)):
            text = self.make.text()
            item["summary"].append({"type": "summary_text", "text": text})
            at = {**place, "summary_index": index}
            yield {
                "type": "response.reasoning_summary_part.added", **at, "part": {"type": "summary_text", "text": ""},
            }  # fmt: skip
            for piece in self.make.pieces(text):
                yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
            yield {"type": "response.reasoning_summary_text.done", **at, "text": text}
        if self.make.chance(0.4):
            text = self.make.text()
            item["content"] = [{"type": "reasoning_text", "text": text}]
            at = {**place, "content_index": 0}
            for piece in self.make.pieces(text):
                yield {"type": "response.reasoning_text.delta", **at, "delta": piece}
            yield {"type": "response.reasoning_text.done", **at, "text": text}

    def call(self, item: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
        is_custom = item["type"] == "custom_tool_call"
        member = "input" if is_custom else "arguments"
        prefix = "response.custom_tool_call_input" if is_custom else "response.function_call_arguments"
        text = self.make.text() if is_custom else self.make.arguments()
        item |= {"call_id": self.make.name("call"), "name": self.make.name("f"), member: text}
        for piece in self.make.pieces(text):
            yield {"type": f"{prefix}.delta", **place, "delta": piece}
        if self.make.chance(0.8):
            yield {"type": f"{prefix}.done", **place, member: text}


def empty_lists(part: dict[str, Any]) -> dict[str, Any]:
    return {name: [] for name, value in part.items() if isinstance(value, list)}


# Messages


def message(seed: int) -> bytes:
    make = Maker(seed)
    start = {
        "id": make.name("msg"), "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 25, "output_tokens": 1},
    }  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index in range(make.random.randint(1, 4)):
        block, deltas = message_block(make)
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        for delta in deltas:
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
            if make.chance(0.1):
                events.append({"type": "ping"})
        events.append({"type": "content_block_stop", "index": index})
    usage: dict[str, Any] = {"output_tokens": make.random.randint(2, 90)}
    if make.chance(0.3):
        usage |= {"input_tokens": 26, "cache_read_input_tokens": 4, "server_tool_use": {"web_search_requests": 1}}
    reason = make.random.choice(["end_turn", "max_tokens", "tool_use", "stop_sequence", "refusal", "pause_turn"])
    delta = {"stop_reason": reason, "stop_sequence": "</s>" if reason == "stop_sequence" else None}
    events += [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]
    return b"".join(make.encode(event, event["type"]) for event in events)


def message_block(make: Maker) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns a block as it starts, and its deltas."""
    kind = make.random.choice(
        ["text", "text", "thinking", "tool_use", "tool_use", "server_tool_use", "redacted", "result"]
    )
    if kind == "text":
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in make.pieces(make.text(12))]
        block: dict[str, Any] = {"type": "text", "text": make.random.choice(["", "", "Hi"])}
        if make.chance(0.3):
            block["citations"] = make.random.choice([None, []])
            for number in range(make.random.randint(1, 2)):
                citation = {
                    "type": "char_location", "cited_text": make.text(), "document_index": number,
                    "document_title": None, "start_char_index": 0, "end_char_index": 1,
                }  # fmt: skip
                deltas.append({"type": "citations_delta", "citation": citation})
        return block, deltas
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in make.pieces(make.text(12))]
        if make.chance(0.8):
            deltas.append({"type": "signature_delta", "signature": "c2ln"})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if kind in ("tool_use", "server_tool_use"):
        block = {"type": kind, "id": make.name("toolu"), "name": "web_search", "input": {}}
        pieces = make.pieces(make.arguments()) if make.chance(0.8) else [""]
        return block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    if kind == "redacted":
        return {"type": "redacted_thinking", "data": "ZGF0YQ=="}, []
    content = [
        {"type": "web_search_result", "url": "u", "title": make.text(), "encrypted_content": "eA==", "page_age": None}
    ]
    return {"type": "web_search_tool_result", "tool_use_id": make.name("toolu"), "content": content}, []
