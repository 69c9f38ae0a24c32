"""A loopback endpoint that has OpenAI's protocol and misbehaves on command.

A model's name says how it answers: `ok`, `slow:SECONDS`, `http400`, `http500`, `429`, `retryafter:SECONDS`, `drop`,
`hang`, `drip`, `malformed`, `fenced`, `prose`, `empty`, `refusal`, `truncated`, `wrong`, `html`, `nousage`. `fault*N`
misbehaves N times and is then `ok`. What is answered comes from `script`, else from the schema in the prompt.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

Body = dict[str, Any]
Script = Callable[[str, Body, dict[str, Any]], dict[str, Any] | None]
Raw = tuple[int, dict[str, str], bytes]
Special = Callable[[str, Body], "Raw | AsyncIterator[bytes] | None"]  # by the request's head; None: as ever
MARK = "JSON schema of the reply: "


def phase_of(schema: Body) -> str:
    keys = set(schema["properties"])
    kinds = {"timing": "split", "claim": "propose", "kind": "critique", "decision": "synthesis", "options": "options"}
    kinds |= {"merged_label": "merge"}
    found = [phase for key, phase in kinds.items() if key in keys]
    return found[0] if found else "vote" if "evidence_ids" in keys else "moderate"


def schema_of(body: Body) -> Body:
    asked = next(m["content"] for m in body["messages"] if MARK in m["content"])
    found: Body = json.loads(asked.split(MARK)[1].splitlines()[0])
    return found


def plain_answer(schema: Body) -> Body:
    """The first choice of everything."""

    def value(part: Body) -> Any:
        if "enum" in part:
            return part["enum"][0]
        if part["type"] == "integer":
            return 70
        if part["type"] == "array":
            return ["First answer", "Second answer"] if part.get("minItems") else []
        return "Because of the evidence."

    return {name: value(part) for name, part in schema["properties"].items()}


class FakeLLM:
    """Counts and keeps every request."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.special: Special | None = None
        self.heads: list[str] = []
        self.bodies: list[Body] = []
        self.in_flight = self.most_in_flight = self.waves = 0
        self.faults: Counter[str] = Counter()
        self.url = self.key = ""

    @property
    def calls(self) -> int:
        return len(self.bodies)

    def prompts(self, phase: str) -> list[Body]:
        return [body for body in self.bodies if phase_of(schema_of(body)) == phase]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head.decode("latin-1"))
                self.key = head.split(b"earer ")[-1].split(b"\r\n")[0].decode()
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                self.bodies.append(body)
                self.waves += self.in_flight == 0
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    await self.answer(body, writer)
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def behavior(self, body: Body) -> tuple[str, str]:
        name = str(body["model"])
        if "*" in name:
            name, times = name.split("*")
            self.faults[name] += 1
            if self.faults[name] > int(times):
                return "ok", ""
        kind, _, detail = name.partition(":")
        return kind, detail

    async def answer(self, body: Body, writer: asyncio.StreamWriter) -> None:
        special = self.special(self.heads[-1], body) if self.special else None
        if special is not None:
            await self.send_special(special, writer)
            return
        kind, detail = self.behavior(body)
        if kind == "slow":
            await asyncio.sleep(float(detail))
        if kind == "drop":
            writer.close()
            raise ConnectionResetError
        if kind in ("hang", "drip"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n")
            for _ in range(200):
                if kind == "drip":
                    writer.write(b" ")
                    await writer.drain()
                await asyncio.sleep(0.3)
        status, extra, text = self.reply(kind, detail, body)
        sort = "text/html" if kind == "html" else "application/json"
        payload = text.encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {sort}\r\ncontent-length: {len(payload)}\r\n{extra}\r\n".encode()
            + payload
        )
        await writer.drain()

    async def send_special(self, special: Raw | AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
        """A whole reply, or bytes as they are, to the last."""
        if isinstance(special, tuple):
            status, headers, payload = special
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(payload)}\r\n{lines}\r\n".encode() + payload)
            await writer.drain()
            return
        async for piece in special:
            writer.write(piece)
            await writer.drain()
        writer.close()
        raise ConnectionResetError

    def reply(self, kind: str, detail: str, body: Body) -> tuple[int, str, str]:
        wanted = body.get("response_format", {}).get("type")
        errors: dict[str, tuple[int, str, str]] = {
            "http500": (500, "", "broken"),
            "429": (429, "retry-after: 0\r\n", "slow down"),
            "retryafter": (429, f"retry-after: {detail}\r\n", "slow down"),
            "http401": (401, "", f"Incorrect API key provided: {self.key}"),
            "toolong": (400, "", "the request exceeds the available context size"),
        }
        if wanted in ("json_schema", *detail.split(",")):
            errors["http400"] = (400, "", "response_format is not supported")
        if "max_tokens" in body:
            errors["newparameter"] = (400, "", "Unsupported parameter: use 'max_completion_tokens' instead")
        if kind in errors:
            status, extra, message = errors[kind]
            return status, extra, json.dumps({"error": {"message": message, "type": "x"}})
        if kind == "html":
            return 200, "", "<html>proxy</html>"
        return 200, "", json.dumps(self.completion(kind, body))

    def completion(self, kind: str, body: Body) -> Body:
        schema = schema_of(body)
        said = self.script(phase_of(schema), body, schema) if self.script else None
        text: str | None = json.dumps(plain_answer(schema) | (said or {}))
        finish, refusal = "stop", None
        assert text is not None
        if kind == "malformed":
            text = text[: len(text) // 2]
        elif kind == "fenced":
            text = f"Here you are:\n```json\n{text}\n```"
        elif kind == "prose":
            text = "Sure! I choose B"
        elif kind == "empty":
            text = ""
        elif kind == "wrong":
            text = json.dumps({"answer": "B"})
        elif kind == "refusal":
            text, refusal = None, "I cannot help with that"
        elif kind == "truncated" or (kind == "short" and body.get("max_tokens", 0) < 200):
            text, finish = text[: len(text) // 2], "length"
        message = {"role": "assistant", "content": text, "refusal": refusal}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        found = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"]}
        found |= {"choices": [{"index": 0, "message": message, "finish_reason": finish}]}
        return found if kind == "nousage" else found | {"usage": usage}


@contextmanager
def fake_llm(script: Script | None = None) -> Iterator[FakeLLM]:
    """The endpoint on a thread of its own, at a port the system picks."""
    fake, loop = FakeLLM(script), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.start_server(fake.handle, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(5)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield fake
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(5)
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
