"""A server as a process, and a client that costs little: HTTP/1.1 over plain asyncio streams."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Over = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """`regard serve RUN` on a port of its own."""

    def __init__(self, run: Path, options: Sequence[str] = ()) -> None:
        words = [sys.executable, "-m", "regard", "serve", str(run), "--port", "0", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.partition("127.0.0.1:")[2].partition("/")[0])

    def stop(self) -> None:
        """Tells it to stop, and waits."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.ended()

    def ended(self) -> str:
        """What it says when it has stopped."""
        said, _ = self.process.communicate(timeout=60)
        if self.process.returncode:
            raise AssertionError(f"the server ended with {self.process.returncode}")
        return said


async def ask(
    port: int, body: Mapping[str, Any] | bytes, *, headers: Mapping[str, str] | None = None, over: Over | None = None
) -> tuple[int, bytes]:
    """Status and body of one request: on a connection of its own, which then is closed, unless one is given.

    Raises `OSError` or `IncompleteReadError` where there is no whole answer.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", "Content-Length": str(len(content))}
    lines |= headers or {}
    lines |= {} if over else {"Connection": "close"}
    reader, writer = over or await asyncio.open_connection("127.0.0.1", port)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    try:
        writer.write(f"POST /answer HTTP/1.1\r\n{head}\r\n".encode() + content)
        await writer.drain()
        told = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = next(int(line.partition(":")[2]) for line in told if line.lower().startswith("content-length:"))
        return int(told[0].split()[1]), await reader.readexactly(length)
    finally:
        if over is None:
            writer.close()


_NO_TEXTS: tuple[Any, ...] = ([], "a", None, 1, {}, [1], [None], [["a"]], [" "], [""])

_NO_WHY: tuple[Any, ...] = ({"method": "guess"}, {"method": 1}, {"how": "best"}, {"evidence": 1}, {"target": ""})


def malformed(draw: random.Random, number: int) -> tuple[bytes, dict[str, str]]:
    """A request that no server should answer, and headers of its own."""
    good = json.dumps({"texts": ["a quiet film"]}).encode()
    kinds = (
        lambda: (draw.randbytes(draw.randint(1, 300)) + b"\x00", {}),
        lambda: (good[: draw.randint(1, len(good) - 1)], {}),
        lambda: (json.dumps({"texts": draw.choice(_NO_TEXTS)}).encode(), {}),
        lambda: (json.dumps({"texts": ["a"], draw.choice(["text", "Texts", "x", ""]): 1}).encode(), {}),
        lambda: (json.dumps({"texts": ["a"], "explain": draw.choice([1, "true", None, [], 0.5])}).encode(), {}),
        lambda: (json.dumps({"texts": ["a" * 20_001]}).encode(), {}),
        lambda: (json.dumps({"texts": ["a"] * 65}).encode(), {}),
        lambda: (b"[" * draw.randint(1000, 100_000), {}),
        lambda: (b'{"texts": ["\\ud800"]}', {}),
        lambda: (json.dumps(draw.choice([[], "a", 1, None, True])).encode(), {}),
        lambda: (good, {"Content-Type": draw.choice(["text/plain", "application/xml", "multipart/form-data"])}),
        lambda: (good.replace(b'"a quiet film"', b"NaN"), {}),
        lambda: (good, {"Origin": draw.choice(["https://elsewhere.example", "null", "file://"])}),
        lambda: (good, {"Host": draw.choice(["elsewhere.example", "", "127.0.0.1.elsewhere.example:80"])}),
        lambda: (json.dumps({"texts": ["a"], "explain": draw.choice(_NO_WHY)}).encode(), {}),
    )
    body, headers = kinds[number % len(kinds)]()
    return body, dict(headers)
