"""A trace as one file: tensors in safetensors, the rest as JSON in its header. docs/trace-format.md describes it.

Numbers are kept as they are (float32, int32): at 18 layers x 4 heads x 8,192 tokens with the top 8 that is 47 MB. Half
precision for the top weights would save 9 MB of it and cost up to 1 part in 2,000 of each weight; a trace that comes
back equal to the last bit was worth more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regard.disk import write_atomically
from regard.lens.trace import Layer, Trace
from regard.lens.units import Units
from regard.spec.errors import DataError, MissingExtraError, SpecError

FORMAT = "regard trace"
VERSION = 1

_TYPES = {
    "positions": torch.int64,
    "lse": torch.float32,
    "entropy": torch.float32,
    "distance": torch.float32,
    "received": torch.float32,
    "queries_valid": torch.bool,
    "keys_valid": torch.bool,
    "top_keys": torch.int32,
    "top_weights": torch.float32,
    "map": torch.float32,
    "row_edges": torch.int64,
    "col_edges": torch.int64,
    "received_error": torch.float32,
}
_OPTIONAL = ("top_keys", "top_weights", "map", "row_edges", "col_edges", "received_error")


def save(trace: Trace, path: str | Path) -> None:
    """Writes a trace whole, or not at all.

    Raises:
        RunError: the file cannot be written; the message says why.
        MissingExtraError: safetensors is not installed.
    """
    library = _safetensors()
    tensors = {
        f"layers.{place}.{name}": tensor.detach().to("cpu", dtype).contiguous().clone()
        for place, layer in enumerate(trace.layers)
        for name, dtype in _TYPES.items()
        if (tensor := getattr(layer, name)) is not None
    }
    write_atomically(Path(path), library.torch.save(tensors, metadata={"regard": json.dumps(_header(trace))}))


def load(path: str | Path) -> Trace:
    """Reads a trace; its tensors are copies, so that the file may be moved or written over.

    Raises:
        DataError: the file is missing, cut short, no trace, of another version, or does not fit together.
        MissingExtraError: safetensors is not installed.
    """
    path = Path(path)
    header, tensors = _read(path)
    if header.get("version") != VERSION:
        raise DataError(
            f"{path} is a trace of version {header.get('version')!r}; this regard reads version {VERSION}: record it "
            "again, or install the regard that wrote it"
        )
    try:
        return _trace(header, tensors)
    except _MissingTensorError as error:
        raise DataError(f"{path} lacks the tensor {error}: it was cut or edited; record it again") from None
    except SpecError as error:  # a ShapeError is one
        raise DataError(f"{path} does not fit together: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} has a header that is not a trace's: {what}; see docs/trace-format.md") from None


class _MissingTensorError(Exception):
    pass


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.torch
    except ImportError:
        raise MissingExtraError(
            "a trace file needs safetensors, which is not installed; type: pip install safetensors"
        ) from None
    return safetensors


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    library = _safetensors()
    try:
        with library.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("regard", "")
            header = _parsed(path, text)
            return header, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no dict
    except FileNotFoundError:
        raise DataError(f"{path} is not there: expected a trace file, which Trace.save writes") from None
    except (library.SafetensorError, OSError) as error:
        reason = "it is a folder" if path.is_dir() else " ".join(str(error).split())
        raise DataError(
            f"{path} cannot be read ({reason}): expected a whole safetensors file, which Trace.save writes; if it was "
            "copied, copy it again"
        ) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(
            f"{path} is a safetensors file, but no trace: expected a header 'regard' of the format {FORMAT!r}"
        )
    return header


def _header(trace: Trace) -> dict[str, Any]:
    """The plain part. `sequences` holds each `Units` once; the rest names them by number."""
    sequences: list[Units] = []

    def numbers(units: Sequence[Units]) -> list[int]:
        places = []
        for one in units:
            known = next((place for place, each in enumerate(sequences) if each is one), None)
            if known is None:
                sequences.append(one)
            places.append(len(sequences) - 1 if known is None else known)
        return places

    named = {
        "units": numbers(trace.units),
        "query_units": {name: numbers(units) for name, units in trace.query_units.items()},
        "key_units": {name: numbers(units) for name, units in trace.key_units.items()},
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": trace.model,
        "about": dict(trace.about),
        "unseen": [list(pair) for pair in trace.unseen],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "mask": layer.mask,
                "heads": list(layer.heads),
                "population": layer.population,
            }
            for layer in trace.layers
        ],
        **named,
        "sequences": [{part.name: getattr(units, part.name) for part in fields(Units)} for units in sequences],
    }


def _trace(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Trace:
    sequences = [_units(each) for each in header["sequences"]]

    def named(numbers: Sequence[int]) -> tuple[Units, ...]:
        return tuple(sequences[number] for number in numbers)

    return Trace(
        model=_text(header["model"]),
        layers=tuple(_layer(place, plain, tensors) for place, plain in enumerate(header["layers"])),
        units=named(header["units"]),
        key_units={name: named(numbers) for name, numbers in header["key_units"].items()},
        unseen=tuple((_text(name), _text(why)) for name, why in header["unseen"]),
        about={name: _text(value) for name, value in header["about"].items()},
        query_units={name: named(numbers) for name, numbers in header["query_units"].items()},
    )


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r} stands where a text should")
    return given


def _units(plain: Mapping[str, Any]) -> Units:
    return Units(
        texts=tuple(plain["texts"]),
        kind=_text(plain["kind"]),
        spans=None if plain["spans"] is None else tuple((int(start), int(end)) for start, end in plain["spans"]),
        source=None if plain["source"] is None else _text(plain["source"]),
        grid=None if plain["grid"] is None else (int(plain["grid"][0]), int(plain["grid"][1])),
        special=int(plain["special"]),
    )


def _layer(place: int, plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Layer:
    found: dict[str, Any] = {}
    for name, dtype in _TYPES.items():
        tensor = tensors.get(f"layers.{place}.{name}")
        if tensor is None and name not in _OPTIONAL:
            raise _MissingTensorError(f"layers.{place}.{name}")
        if tensor is not None and tensor.dtype != dtype:
            raise TypeError(f"layers.{place}.{name} is {str(tensor.dtype)[6:]}, expected {str(dtype)[6:]}")
        found[name] = tensor
    return Layer(
        name=_text(plain["name"]),
        kind=_text(plain["kind"]),
        mask=_text(plain["mask"]),
        heads=tuple(int(head) for head in plain["heads"]),
        population=int(plain["population"]),
        **found,
    )
