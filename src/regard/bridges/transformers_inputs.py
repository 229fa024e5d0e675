"""A text or a picture as what a transformers model takes, beside what each place of it is to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from regard.bridges.transformers_folder import quiet
from regard.lens.units import Units
from regard.spec.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

_WRITTEN = 64  # tokens that an encoder-decoder writes at most, to have a decoder to look at
_SPECIAL = 16  # leading places that are no patch: class token, distillation token, registers; more is no such model


@dataclass(frozen=True, eq=False)
class TextInputs:
    """arguments: what the model is called with. units: its tokens. written: the decoder's, if it has one."""

    arguments: Mapping[str, Tensor]
    units: Units
    written: Units | None = None


@dataclass(frozen=True, eq=False)
class ImageInputs:
    """arguments: what the model is called with. picture: as the model sees it, cut and resized. grid: (rows, cols) of
    its patches."""

    arguments: Mapping[str, Tensor]
    picture: Image
    grid: tuple[int, int]

    def units(self, count: int) -> Units:
        """`count` places as patches, row by row, after what is no patch.

        Raises `DataError` where they cannot be that.
        """
        rows, cols = self.grid
        special = count - rows * cols
        if not 0 <= special <= _SPECIAL:
            raise DataError(
                f"the model attends over {count} places, and the picture has {rows} x {cols} patches: its attention "
                "does not run over the whole grid of patches, and cannot be laid over the picture"
            )
        names = [f"[{place}]" for place in range(special)]
        names += [f"row {row + 1}, column {col + 1}" for row in range(rows) for col in range(cols)]
        return Units(tuple(names), "patch", grid=self.grid, special=special)


def text_inputs(tokenizer: Any, model: nn.Module, text: str, *, tokens: int | None = None) -> TextInputs:
    """A text's tokens; of a longer text than the model takes only with `tokens`, the number to read.

    An encoder-decoder reads the text, and writes up to 64 tokens (greedily): its decoder is observed on those.

    Raises:
        DataError: the text has more tokens than the model has positions, or none.
    """
    whole = _encoded(tokenizer, text, None)
    length, most = whole["input_ids"].shape[1], positions(model)
    if tokens is None and most is not None and length > most:
        raise DataError(
            f"the text has {length:,} tokens, and the model has {most:,} positions; read only the first with "
            f"--tokens {most}"
        )
    if tokens is not None and most is not None and tokens > most:
        raise DataError(f"--tokens {tokens:,}: the model has {most:,} positions; ask for at most so many")
    if length == 0:
        raise DataError("the text has no tokens; give some words")
    encoded = whole if tokens is None or tokens >= length else _encoded(tokenizer, text, tokens)
    spans = encoded.pop("offset_mapping", None)
    units = _token_units(tokenizer, encoded["input_ids"][0], text, None if spans is None else spans[0].tolist())
    if not getattr(model.config, "is_encoder_decoder", False):
        return TextInputs(dict(encoded), units)
    room = _WRITTEN if most is None else min(_WRITTEN, most - 1)
    with torch.no_grad(), quiet():
        written = model.generate(  # type: ignore[operator]
            **encoded, max_new_tokens=room, do_sample=False, num_beams=1
        )
    arguments = {**encoded, "decoder_input_ids": written}
    return TextInputs(arguments, units, _token_units(tokenizer, written[0], None, None))


def image_inputs(processor: Any, model: nn.Module, picture: Image) -> ImageInputs:
    """A picture as pixel values, and the grid of patches that the model cuts it into.

    Raises:
        DataError: the model's configuration does not say how large a patch is.
    """
    pixels = processor(images=picture.convert("RGB"), return_tensors="pt")["pixel_values"]
    config = getattr(model.config, "vision_config", model.config)
    patch = getattr(config, "patch_size", None)
    if patch is None or pixels.dim() != 4:
        raise DataError(
            f"{type(model).__name__} does not say how it cuts a picture into patches (config.patch_size), so that its "
            "attention cannot be laid over one; from Python, regard.watch(model) gives the figures"
        )
    high, wide = (int(side) for side in (patch if isinstance(patch, list | tuple) else (patch, patch))[-2:])
    grid = (pixels.shape[2] // high, pixels.shape[3] // wide)
    return ImageInputs({"pixel_values": pixels}, _picture(processor, pixels[0]), grid)


def positions(model: nn.Module) -> int | None:
    """The most tokens that the model has positions for; None where it has no such limit (T5's are relative)."""
    config = model.config.get_text_config()  # type: ignore[operator, union-attr]
    most = getattr(config, "max_position_embeddings", None)
    if not isinstance(most, int):
        return None
    learned = next(
        (part for name, part in model.named_modules() if name.endswith("embeddings.position_embeddings")), None
    )
    before = getattr(learned, "padding_idx", None)  # RoBERTa counts its positions from behind the padding's
    return most if before is None else most - before - 1


def _encoded(tokenizer: Any, text: str, tokens: int | None) -> dict[str, Any]:
    cut = {} if tokens is None else {"truncation": True, "max_length": tokens}
    made = tokenizer(text, return_tensors="pt", return_offsets_mapping=tokenizer.is_fast, verbose=False, **cut)
    return dict(made)


def _token_units(tokenizer: Any, ids: Tensor, text: str | None, spans: list[list[int]] | None) -> Units:
    """Tokens by the characters that they cover, or, where none is known, by their own names."""
    names = tokenizer.convert_ids_to_tokens(ids.tolist())
    if text is None or spans is None:
        return Units(tuple(map(str, names)), "token")
    places = tuple((start, end) for start, end in spans)
    texts = tuple(
        text[start:end] if end > start else str(name) for name, (start, end) in zip(names, places, strict=True)
    )
    return Units(texts, "token", spans=places, source=text)


def _picture(processor: Any, pixels: Tensor) -> Image:
    """Pixel values (channels, height, width) turned back into colours."""
    from PIL import Image

    mean, deviation = (getattr(processor, name, None) for name in ("image_mean", "image_std"))
    colours = pixels.float()
    if mean is not None and deviation is not None and getattr(processor, "do_normalize", True):
        colours = colours * torch.tensor(deviation)[:, None, None] + torch.tensor(mean)[:, None, None]
    bytes_ = (colours.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(bytes_.contiguous().numpy())
