"""Eight concurrent turns of one client."""

import asyncio

import openai

from harness import GREETING, TOOL_CALL, Engine, Proxy, ask, chat
from replies import assembled, assert_aligned, oracle

# Distinct in text and length, so that records cannot be confused.
PROMPTS = [(f"{number}: {(GREETING, TOOL_CALL)[number % 2]}", {"max_tokens": 20 + number}) for number in range(8)]


def test_eight_at_once(engine: Engine, direct: openai.OpenAI, proxy: Proxy) -> None:
    expected = [ask(direct, prompt, **fields).choices[0].message.content for prompt, fields in PROMPTS]

    async def turn(client: openai.OpenAI, number: int) -> str:
        prompt, fields = PROMPTS[number]
        if number % 4 < 2:
            return (await ask(client, prompt, **fields)).choices[0].message.content
        chunks = await ask(client, prompt, stream=True, **fields)
        return assembled([chunk async for chunk in chunks])[0]

    async def all_turns() -> list[str]:
        async with proxy.client(openai.AsyncOpenAI) as client:
            return await asyncio.gather(*(turn(client, number) for number in range(len(PROMPTS))))

    assert asyncio.run(all_turns()) == expected
    records = proxy.records()
    assert sorted(record["turn"] for record in records) == [1, 2, 3, 4, 5, 6, 7, 8]
    by_prompt = {record["request"]["messages"][-1]["content"]: record for record in records}
    for (prompt, fields), text in zip(PROMPTS, expected, strict=True):
        record = by_prompt[prompt]
        assert_aligned(record)
        assert record["request"]["max_tokens"] == fields["max_tokens"]
        assert record["response"]["choices"][0]["message"]["content"] == text
        assert "".join(record["completion_tokens"]) == text
        assert record["completion_token_ids"] == [id for id, _ in oracle(engine, chat(prompt, **fields))]
