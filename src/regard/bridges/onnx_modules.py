"""Models of tasks as graphs are drawn of them: plain tensors in and out, and an answer at every place."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from regard.nn.cache import BlockCache, KeyValueCache
from regard.nn.decoder import DecoderBlock
from regard.nn.decoding import Context, LanguageModel
from regard.nn.front_ends import PatchFrontEnd
from regard.nn.recurrent_decoder import RecurrentDecoder, RecurrentState
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec.membership import Dense
from regard.spec.positional import Sinks
from regard.tasks.classifier import Classifier
from regard.tasks.forecaster import Forecaster
from regard.tasks.image_text import PictureAndText
from regard.tasks.masked_images import MaskedImages
from regard.tasks.masked_text import MaskedText
from regard.tasks.recommend import Recommender
from regard.tasks.scene_model import Finder
from regard.tasks.transcriber import Transcriber

Two = tuple[Tensor, Tensor]


class PastCache:
    """Keys and values of the tokens before, to which the next ones are joined: a `Cache` without a room of its own."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        self._held = key, value

    @property
    def length(self) -> int:
        return self._held[0].shape[2]

    def append(self, key: Tensor, value: Tensor) -> Two:
        """The next tokens after those held."""
        self._held = torch.cat((self._held[0], key), 2), torch.cat((self._held[1], value), 2)
        return self._held

    def view(self) -> Two:
        """All that is held."""
        return self._held

    def select(self, items: Tensor) -> None:
        """Keep the rows `items`."""
        self._held = self._held[0][items], self._held[1][items]


class Continuing(nn.Module):
    """ids (rows, new), past keys and values (layers, rows, kv_heads, past, size) -> logits (rows, new, vocab), and keys
    and values with those of the new tokens joined."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, past_keys: Tensor, past_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        model, caches = self.model, _caches(past_keys, past_values)
        window = model.window
        mask = window if window is None or not model.sinks else window | Sinks(model.sinks)
        x = model.decoder(model.embedding(ids, past_keys.shape[3]), mask=mask, cache=caches)
        return model.head(x), *_held(caches)


class WritingStep(nn.Module):
    """The same of a decoder that reads: beside the past, keys and values of the source (layers, rows, kv_heads,
    source, size), and which of its tokens are there (rows, source) bool."""

    def __init__(self, decoder: TransformerDecoder) -> None:
        super().__init__()
        self.writer = decoder

    def forward(
        self, ids: Tensor, past_keys: Tensor, past_values: Tensor, keys: Tensor, values: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        caches = _caches(past_keys, past_values, keys, values)
        reader = cast("DecoderBlock", self.writer.decoder.blocks[0]).context_attention
        assert reader is not None
        unread = keys.new_zeros(keys.shape[1], keys.shape[3], reader.key.in_features)  # its keys are there already
        x = self.writer.embedding(ids, past_keys.shape[3])
        x = self.writer.decoder(x, context=unread, context_mask=Dense(present[:, None, None]), cache=caches)
        return self.writer.head(x), *_held(caches)


class Reading(nn.Module):
    """What the front end is called with -> present (batch, source) bool, and keys and values of the source for each
    block of the decoder (layers, batch, kv_heads, source, size)."""

    def __init__(self, model: SequenceToSequence) -> None:
        super().__init__()
        self.model = model

    def forward(self, *source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        context = self.model.read(source)
        return context.present, *_made(self.model.decoder, context)


class RecurrentReading(nn.Module):
    """What the front end is called with -> present (batch, source), the tokens (batch, source, size), the attention's
    keys of them (batch, source, hidden), and the first state (batch, hidden)."""

    def __init__(self, model: SequenceToSequence) -> None:
        super().__init__()
        self.model = model

    def forward(self, *source: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        context = self.model.read(source)
        return context.present, context.tokens, *_begun(self.model.decoder, context)


class RecurrentStep(nn.Module):
    """ids (rows, 1), the state and what `RecurrentReading` gives -> logits (rows, 1, vocab) and the next state."""

    def __init__(self, decoder: RecurrentDecoder) -> None:
        super().__init__()
        self.writer = decoder

    def forward(self, ids: Tensor, hidden: Tensor, keys: Tensor, tokens: Tensor, present: Tensor) -> Two:
        rows = torch.arange(ids.shape[0], device=ids.device)
        state = RecurrentState(ids[:, 0], hidden, Context(tokens, present), keys, rows)
        logits = self.writer.step(state, ids[:, 0])
        return logits[:, None], state.hidden


class Hearing(nn.Module):
    """As `Reading` or `RecurrentReading` of sounds, and ln p of the character of each moment (batch, source, vocab)."""

    def __init__(self, model: Transcriber) -> None:
        super().__init__()
        self.model = model

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        writer = self.model.writer
        context = writer.read((samples, lengths))
        heard = self.model.moments(context)
        if isinstance(writer.decoder, RecurrentDecoder):
            return context.present, context.tokens, *_begun(writer.decoder, context), heard
        return context.present, *_made(writer.decoder, context), heard


class Joined(nn.Module):
    """pictures, ids, lengths -> logits (batch, classes), weights (batch, patches + len): 0 where nothing stands."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor, ids: Tensor, lengths: Tensor) -> Two:
        logits, weights = self.model(pictures, ids, lengths)
        parts = cast("PictureAndText", self.model.front).joined.front_ends
        most = ids.shape[1] if "text" in parts else 0
        if "picture" in parts:
            rows, cols = cast("PatchFrontEnd", parts["picture"]).units(*pictures.shape[2:]).shape
            most += rows * cols
        return logits, nn.functional.pad(weights, (0, most - weights.shape[1]))


class EveryToken(nn.Module):
    """ids (batch, len), lengths (batch,) -> logits (batch, len, vocab): what every token may have been."""

    def __init__(self, model: MaskedText) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        read = self.model.encoder(self.model.embedding(ids), lengths)
        logits: Tensor = self.model.head(self.model.narrow(getattr(read, "tokens", read)))
        return logits


class EveryPatch(nn.Module):
    """pictures, hidden (batch, patches) -> guesses (batch, patches, pixels of a patch), standardised."""

    def __init__(self, model: MaskedImages) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor, hidden: Tensor) -> Tensor:
        front = self.model.front
        tokens = front.embedded(front.pixels(pictures), *pictures.shape[2:])
        places = 0 if tokens.positions is None else tokens.positions
        x = self.model.encoder(torch.where(hidden[..., None], self.model.shown + places, tokens.tokens))
        guesses: Tensor = self.model.guess(x)
        return guesses


class Windows(nn.Module):
    """values, observed (batch, context, 1), past covariates where the model has some, known ones (batch, context +
    horizon, known) -> quantiles (batch, horizon, levels) in the series' own unit."""

    def __init__(self, model: Forecaster) -> None:
        super().__init__()
        self.model = model

    def forward(self, values: Tensor, observed: Tensor, *covariates: Tensor) -> Tensor:
        *past, known = covariates
        return self.model.quantiles(values, observed, past=past[0] if past else None, known=known)


class NextItem(nn.Module):
    """items (batch, len), their times where the model reads them, lengths (batch,) -> scores (batch, items) of what
    comes after the last one."""

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = model

    def forward(self, items: Tensor, *rest: Tensor) -> Tensor:
        model = self.model
        *times, lengths = rest
        tokens = model.front(items, times[0] if times else None, lengths)
        read = model.decoder(tokens.tokens, mask=tokens.mask)
        last = read.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, read.shape[2]))
        scores: Tensor = model.head(last)
        return scores[:, 0]


class LastFound(nn.Module):
    """pictures -> logits (batch, queries, classes + 1), the last being "nothing", and boxes (batch, queries, 4) in
    fractions of the picture."""

    def __init__(self, model: Finder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Two:
        last = self.model(pictures).layers[-1]
        return last.logits, last.boxes


def _caches(*held: Tensor) -> list[BlockCache]:
    """One for each layer: of its past, and of its source where there is one."""
    layers = []
    for each in zip(*(one.unbind(0) for one in held), strict=True):
        parts = [PastCache(*each[:2])] + ([PastCache(*each[2:])] if len(each) > 2 else [])
        own, source = parts[0], parts[1] if len(parts) > 1 else KeyValueCache()
        layers.append(BlockCache(own, cast("KeyValueCache", source)))
    return layers


def _held(caches: list[BlockCache]) -> Two:
    """(layers, rows, kv_heads, seen, size) keys and values."""
    keys, values = zip(*(cache.own.view() for cache in caches), strict=True)
    return torch.stack(keys), torch.stack(values)


def _made(decoder: nn.Module, context: Context) -> Two:
    """Keys and values of the source, for each block."""
    assert isinstance(decoder, TransformerDecoder)
    keys: list[Tensor] = []
    values: list[Tensor] = []
    for block in decoder.decoder.blocks:
        reader = cast("DecoderBlock", block).context_attention
        assert reader is not None
        for made, project in ((keys, reader.key), (values, reader.value)):
            made.append(project(context.tokens).unflatten(-1, (reader.kv_heads, -1)).transpose(1, 2))
    return torch.stack(keys), torch.stack(values)


def _begun(decoder: nn.Module, context: Context) -> Two:
    """The attention's keys of the source, and the state before the first step."""
    assert isinstance(decoder, RecurrentDecoder)
    return decoder.attention.key(context.tokens), decoder.begun_from(context)
