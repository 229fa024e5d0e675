"""Multi-head attention as a layer: projections around `attend`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.engine.attend import attend
from regard.nn import torch_weights
from regard.nn.cache import Cache
from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.held_spec import HeldSpec
from regard.nn.positions import rotate
from regard.spec.bias import Bias, TensorBias, as_biases
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.place import Place
from regard.spec.position import Rotary
from regard.spec.score import General, ScaledDot, Score
from regard.spec.value import described

_SCALED_DOT = ScaledDot()


class MultiHeadAttention(nn.Module):
    """Project, split into heads, attend, join, project (Vaswani et al. 2017, §3.2.2).

    `dim` is the size of the tokens that ask, and of the output; `head_dim` (by default dim / heads) that of a head's
    queries and keys, `value_dim` (by default head_dim) of its values. `kv_heads` below `heads` shares each key head
    among heads / kv_heads query heads (Ainslie et al. 2023, arXiv 2305.13245). Cross-attention to tokens of another
    size takes `context_dim`: that size, or a pair, the sizes of the tokens that keys and that values are made of, where
    values come from yet another sequence. `linear_bias` gives each of the four projections an offset. Tensors inside
    `score` and `bias` are trained with the layer, save those of `ALiBi` and `TensorBias`; `rotary` turns queries and
    keys in self-attention.

    Raises `SpecError` for sizes that do not divide or are below 1, `ShapeError` for a score or bias of another size.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        value_dim: int | None = None,
        context_dim: int | tuple[int, int] | None = None,
        linear_bias: bool = True,
        score: Score = _SCALED_DOT,
        bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
        rotary: Rotary | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        check_sizes("MultiHeadAttention", dim=dim, heads=heads, kv_heads=kv_heads)
        check_dropout("MultiHeadAttention", dropout)
        head_dim = _head_dim(dim, heads, kv_heads) if head_dim is None else head_dim
        value_dim = head_dim if value_dim is None else value_dim
        key_source, value_source = _sources(dim, context_dim)
        check_sizes("MultiHeadAttention", head_dim=head_dim, value_dim=value_dim)
        key_dim = _key_dim(score, head_dim)
        biases = as_biases(bias)
        _check_spec(heads, kv_heads, head_dim, key_dim, score, biases, rotary)
        self.dim, self.heads, self.kv_heads, self.dropout, self.rotary = dim, heads, kv_heads, float(dropout), rotary
        self.query = nn.Linear(dim, heads * head_dim, bias=linear_bias)
        self.key = nn.Linear(key_source, kv_heads * key_dim, bias=linear_bias)
        self.value = nn.Linear(value_source, kv_heads * value_dim, bias=linear_bias)
        self.output = nn.Linear(heads * value_dim, dim, bias=linear_bias)
        self.score = HeldSpec(score)
        self.biases = nn.ModuleList(HeldSpec(part) for part in biases)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform projections with offsets 0 (Glorot and Bengio 2010); the spec's tensors stay as given."""
        for projection in self._projections:
            nn.init.xavier_uniform_(projection.weight)
            if projection.bias is not None:
                nn.init.zeros_(projection.bias)

    def forward(
        self,
        x: Tensor,
        *,
        context: Tensor | None = None,
        value_context: Tensor | None = None,
        mask: Mask | Tensor | None = None,
        query_start: int | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """x (batch, query_len, dim) -> (batch, query_len, dim).

        Without `context`, x attends to itself; with a `cache`, to every token the cache has seen, x the latest of them
        (pass `mask=Causal()` to keep a chunk of several tokens from looking ahead). With `context` (batch, key_len,
        context_dim), x attends to that; values come from `value_context`, of the same key_len, if given; a `cache` is
        filled from the context once and read from then on, so that it belongs to one context.
        `query_start` is the position of the first query among the context's keys, as in `attend`. A mask is over
        (batch, heads, query_len, key_len), True where a query may attend; a query that may attend to nothing gives the
        output projection's offset. Dropout acts in training alone.

        Raises `ShapeError`, `MaskError`, `SpecError` for arguments that do not fit each other or the layer.
        """
        check_sequence("MultiHeadAttention: x", x, self.dim)
        queries = _split(self.query(x), self.heads)
        if context is None:
            self._check_self(value_context, query_start)
            queries, keys, values = self._own(x, queries, cache)
        else:
            keys, values = self._other(context, value_context, cache)
        out = attend(
            *(queries, keys, values),
            score=self.score.value(),
            mask=mask,
            bias=tuple(held.value() for held in self.biases) or None,  # type: ignore[operator]
            query_start=query_start,
            dropout=self.dropout if self.training else 0.0,
        )
        joined: Tensor = self.output(out.transpose(1, 2).flatten(2))
        return joined

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> MultiHeadAttention:
        """The same layer with copied weights: equal outputs; self-, cross-attention, kdim, vdim, bias or none.

        This layer is always batch first, whatever `module.batch_first`. Mind the polarity: torch's bool
        `key_padding_mask` and `attn_mask` are True where a key is *ignored*, ours where it *may be attended to*: pass
        `mask=~key_padding_mask[:, None, None, :]` (or `Padding(lengths)`) and `mask=~attn_mask`. A query with no key
        left is NaN in torch, and the output projection's offset here.

        Raises `SpecError` for `add_bias_kv` and `add_zero_attn`.
        """
        torch_weights.refuse_made_up_keys(module)
        with torch.device("meta"):  # no memory, no random numbers drawn: the weights come from `module`
            made = cls(
                module.embed_dim,
                module.num_heads,
                context_dim=(module.kdim, module.vdim),
                linear_bias=module.in_proj_bias is not None,
                dropout=module.dropout,
            )
        made = made.to_empty(device=module.out_proj.weight.device).to(module.out_proj.weight.dtype)
        torch_weights.fill(made._projections, module)
        return made.train(module.training)

    def to_torch(self, *, batch_first: bool = True) -> nn.MultiheadAttention:
        """The same layer as `torch.nn.MultiheadAttention`, weights copied: equal outputs; for masks see `from_torch`.

        Raises `SpecError` for what torch's layer cannot do: grouped heads, rotary, a bias, another score than
        `ScaledDot()`, head sizes other than dim / heads.
        """
        _check_torch(self)
        made = torch_weights.module_of(
            self._projections, heads=self.heads, dropout=self.dropout, batch_first=batch_first
        )
        return made.train(self.training)

    @property
    def _projections(self) -> torch_weights.Projections:
        return self.query, self.key, self.value, self.output

    def _own(self, x: Tensor, queries: Tensor, cache: Cache | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of self-attention, the cache's tokens included: the last query on the last key."""
        start = 0 if cache is None else cache.length
        keys, values = _split(self.key(x), self.kv_heads), _split(self.value(x), self.kv_heads)
        if self.rotary is not None:
            queries, keys = rotate(queries, self.rotary, start), rotate(keys, self.rotary, start)
        if cache is not None:
            keys, values = cache.append(keys, values)
        return queries, keys, values

    def _other(self, context: Tensor, value_context: Tensor | None, cache: Cache | None) -> tuple[Tensor, Tensor]:
        """Keys and values of cross-attention, out of the cache when it has them."""
        if self.rotary is not None:
            raise SpecError("rotary positions are for self-attention; build the cross-attention without rotary=")
        check_sequence("MultiHeadAttention: context", context, self.key.in_features)
        if cache is not None and cache.length:
            if cache.length != context.shape[1]:
                raise ShapeError(
                    f"the cache was filled from a context of {cache.length} tokens, and this one has "
                    f"{context.shape[1]}: a cache belongs to one context; make a new one"
                )
            return cache.view()
        source = context if value_context is None else value_context
        check_sequence("MultiHeadAttention: value_context", source, self.value.in_features)
        keys, values = _split(self.key(context), self.kv_heads), _split(self.value(source), self.kv_heads)
        return (keys, values) if cache is None else cache.append(keys, values)

    def _check_self(self, value_context: Tensor | None, query_start: int | None) -> None:
        if value_context is not None or query_start is not None:
            raise SpecError("value_context= and query_start= go with context=; self-attention needs neither")
        if (self.key.in_features, self.value.in_features) != (self.dim, self.dim):
            raise SpecError(
                f"this layer was built for cross-attention (dim={self.dim}, context_dim="
                f"{(self.key.in_features, self.value.in_features)}): pass context="
            )

    def extra_repr(self) -> str:
        rotary = f", rotary={self.rotary!r}" if self.rotary is not None else ""
        return f"dim={self.dim}, heads={self.heads}, kv_heads={self.kv_heads}, dropout={self.dropout}{rotary}"


def _split(x: Tensor, heads: int) -> Tensor:
    """(batch, len, heads * size) -> (batch, heads, len, size)."""
    return x.reshape(*x.shape[:2], heads, x.shape[-1] // heads).transpose(1, 2)


def _head_dim(dim: int, heads: int, kv_heads: int) -> int:
    if dim % heads:
        raise SpecError(
            f"MultiHeadAttention(dim={dim}, heads={heads}): dim must be a multiple of heads; or give head_dim="
        )
    return dim // heads


def _sources(dim: int, context_dim: int | tuple[int, int] | None) -> tuple[int, int]:
    """The sizes of the tokens that keys and that values are made of."""
    pair = context_dim if isinstance(context_dim, tuple) else (context_dim, context_dim)
    if len(pair) != 2:
        raise SpecError(f"MultiHeadAttention(context_dim={context_dim!r}): expected a size, or a pair (keys, values)")
    key_source, value_source = (dim if size is None else size for size in pair)
    check_sizes("MultiHeadAttention", context_dim=key_source)
    check_sizes("MultiHeadAttention", context_dim=value_source)
    return key_source, value_source


def _key_dim(score: Score, head_dim: int) -> int:
    """The size of a head's keys: `General` may compare queries with keys of another size."""
    return score.weight.shape[-1] if isinstance(score, General) else head_dim


def _check_spec(
    heads: int,
    kv_heads: int,
    head_dim: int,
    key_dim: int,
    score: Score,
    biases: tuple[Bias, ...],
    rotary: Rotary | None,
) -> None:
    """Refuse now what the first call would refuse."""
    if heads % kv_heads:
        raise SpecError(
            f"MultiHeadAttention(heads={heads}, kv_heads={kv_heads}): heads must be a multiple of kv_heads, so that "
            "each key head serves equally many query heads"
        )
    if not isinstance(score, Score):
        raise SpecError(f"MultiHeadAttention(score={described(score)}): expected a score such as ScaledDot() (a value)")
    if rotary is not None and not isinstance(rotary, Rotary):
        raise SpecError(f"MultiHeadAttention(rotary={described(rotary)}): expected Rotary() or None")
    query = torch.empty(1, heads, 1, head_dim, device="meta")
    key = torch.empty(1, kv_heads, 1, key_dim, device="meta")
    score.check(query, key)
    for part in biases:
        if not isinstance(part, TensorBias):  # its sizes are those of the sequences, not known yet
            part.check(Place(1, heads, 1, 1, 0, query.device))
    if rotary is not None:
        for x in (query, key):
            rotary.turn(x, torch.zeros(1, device="meta"))


def _check_torch(layer: MultiHeadAttention) -> None:
    """Raise `SpecError` naming the first thing that torch's module has no word for."""
    head_dim = layer.dim / layer.heads
    odd = {
        f"kv_heads={layer.kv_heads} below heads={layer.heads}": layer.kv_heads != layer.heads,
        f"rotary={layer.rotary!r}": layer.rotary is not None,
        f"score={layer.score.value()!r}": layer.score.value() != ScaledDot(),
        "a bias": len(layer.biases) > 0,
        f"heads of other sizes than dim / heads = {head_dim:g}": layer.query.out_features != layer.dim
        or layer.value.out_features != layer.dim,
    }
    for what, present in odd.items():
        if present:
            raise SpecError(
                f"this layer has {what}, which torch.nn.MultiheadAttention cannot do: keep it, or train one without"
            )
