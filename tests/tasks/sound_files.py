"""Recordings of tones that stand for words, made where a test wants them."""

import csv
import itertools
import wave
from pathlib import Path

import numpy as np

RATE = 4000
PITCH = {"do": 300, "sol": 900, "ti": 1600}  # hertz


def tones(words, rate=RATE, seconds=0.2):
    """Samples (int16) of one tone a word, a short silence after each."""
    at = np.arange(int(seconds * rate)) / rate
    silence = np.zeros(int(0.05 * rate))
    parts = [part for word in words.split() for part in (0.5 * np.sin(2 * np.pi * PITCH[word] * at), silence)]
    return np.rint(32767 * np.concatenate([silence, *parts])).astype("<i2")


def write_wav(path, samples, rate=RATE, channels=1, width=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(samples).tobytes())


def recordings(folder: Path, count: int, name: str = "speech.csv", header=("path", "text")) -> Path:
    """A table of so many different recordings of one to four words, and the wavs beside it."""
    said = (" ".join(words) for long in range(1, 6) for words in itertools.product(PITCH, repeat=long))
    with_words = list(itertools.islice(said, count))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number, words in enumerate(with_words):
            write_wav(folder / f"{number:02d}.wav", tones(words))
            writer.writerow((f"{number:02d}.wav", f"{words.capitalize()}."))
    return folder / name
