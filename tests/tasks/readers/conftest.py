"""Small pictures, sounds and tables, made where a test wants them."""

import io
import struct
import wave
import zlib

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    """Writes a text file of lines: (its name, its lines) -> its path."""

    def write(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        return path

    return write


@pytest.fixture
def png():
    """Bytes of a PNG: (mode, size (width, height), colour)."""
    from PIL import Image

    def make(mode="RGB", size=(4, 3), colour=0, **more):
        out = io.BytesIO()
        Image.new(mode, size, colour).save(out, "PNG", **more)
        return out.getvalue()

    return make


@pytest.fixture
def huge_png():
    """Bytes of a PNG whose header says that it has so many pixels; it holds none of them."""

    def chunk(name, content):
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    def make(width, height):
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")

    return make


@pytest.fixture
def wav():
    """Bytes of a wav: whole numbers (samples,) or (samples, channels), bits a sample, samples a second."""

    def make(samples, bits=16, rate=8000):
        samples = np.asarray(samples, dtype=np.int64)
        samples = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 1)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(samples.shape[1])
            file.setsampwidth(bits // 8)
            file.setframerate(rate)
            shifted = samples + 128 if bits == 8 else samples
            file.writeframes(
                b"".join(int(one).to_bytes(bits // 8, "little", signed=bits > 8) for one in shifted.ravel())
            )
        return out.getvalue()

    return make


@pytest.fixture
def reasons():
    """The reasons of a reading's refused rows, by number."""
    return lambda reading: {one.number: one.reason for one in reading.refused}
