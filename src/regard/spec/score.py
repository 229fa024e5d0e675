"""Scores: how well a query and a key match, before normalising.

Every score but `Additive` is of the *dot family*: it can be written `curve(scale * q' · k')` with q' and k' made once
from q and k (`prepare`). A kernel that does one of them does them all, and gradients to a score's own tensors come from
differentiating `prepare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from regard.spec.curve import Curve
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import Value, described, is_number, require_floats


class Prepared(NamedTuple):
    """The dot form of a score: entry (i, j) is `curve(scale * query[i] · key[j])`."""

    query: Tensor  # (batch, heads, query_len, d')
    key: Tensor  # (batch, kv_heads, key_len, d')
    scale: float
    curve: Curve


class Score(Value):
    """Base of every score. `dot_family` says whether `prepare` exists."""

    dot_family: bool = True

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        """The dot form for these queries and keys."""
        raise NotImplementedError

    def check(self, query: Tensor, key: Tensor) -> None:
        """Raise `ShapeError` if the score cannot compare these queries and keys."""
        _same_dim(type(self).__name__, query, key)


@dataclass(frozen=True, eq=False, repr=False)
class Dot(Score):
    """q · k (Luong et al. 2015, "dot")."""

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        return Prepared(query, key, 1.0, _STRAIGHT)


@dataclass(frozen=True, eq=False, repr=False)
class ScaledDot(Score):
    """scale * q · k, by default scale = 1 / sqrt(dim) (Vaswani et al. 2017, eq. 1).

    With `softcap` c the score is c * tanh(scale * q · k / c) (Gemma 2), taken before bias and mask.
    """

    scale: float | None = None
    softcap: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and not is_number(self.scale):
            raise SpecError(
                f"ScaledDot(scale={described(self.scale)}): expected a finite number, or None for 1/sqrt(dim); "
                "for a scale that is learned, multiply the queries by it and use Dot()"
            )
        self.__dict__["_curve"] = Curve(cap=self.softcap)

    def factor(self, dim: int) -> float:
        """The scale in force for vectors of size `dim`."""
        if self.scale is not None:
            return float(self.scale)
        return dim**-0.5 if dim else 1.0

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        return Prepared(query, key, self.factor(query.shape[-1]), self.__dict__["_curve"])


@dataclass(frozen=True, eq=False, repr=False)
class Cosine(Score):
    """scale * (q · k) / (|q| |k|); `scale` is a number or a (heads,) tensor. A zero vector scores 0 with everything."""

    scale: float | Tensor = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.scale, Tensor) and not is_number(self.scale):
            raise SpecError(
                f"Cosine(scale={described(self.scale)}): expected a finite number or a (heads,) float tensor"
            )
        if isinstance(self.scale, Tensor):
            require_floats("Cosine", "scale", self.scale)

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        unit, against = _unit(query), _unit(key)
        if isinstance(self.scale, Tensor):
            return Prepared(unit * self.scale.to(unit.dtype)[:, None, None], against, 1.0, _STRAIGHT)
        return Prepared(unit, against, float(self.scale), _STRAIGHT)

    def check(self, query: Tensor, key: Tensor) -> None:
        _same_dim("Cosine", query, key)
        if isinstance(self.scale, Tensor):
            _shape("Cosine(scale)", self.scale, (query.shape[1],))


@dataclass(frozen=True, eq=False, repr=False)
class General(Score):
    """q · W k (Luong et al. 2015, "general"); `weight` W is (query_dim, key_dim) or (heads, query_dim, key_dim)."""

    weight: Tensor

    def __post_init__(self) -> None:
        require_floats("General", "weight", self.weight)

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        return Prepared(query @ self.weight.to(query.dtype), key, 1.0, _STRAIGHT)

    def check(self, query: Tensor, key: Tensor) -> None:
        dims = (query.shape[-1], key.shape[-1])
        _shape("General(weight)", self.weight, dims, (query.shape[1], *dims))


@dataclass(frozen=True, eq=False, repr=False)
class Additive(Score):
    """vector · tanh(q + k) (Bahdanau et al. 2014, appendix A.1.2), q and k already projected.

    `vector` is (dim,) or (heads, dim). The projections W_q, W_k and the offset b of v · tanh(W_q q + W_k k + b) live in
    `regard.nn.AdditiveAttention`.
    """

    vector: Tensor
    dot_family = False

    def __post_init__(self) -> None:
        require_floats("Additive", "vector", self.vector)

    def check(self, query: Tensor, key: Tensor) -> None:
        _same_dim("Additive", query, key)
        _shape("Additive(vector)", self.vector, (query.shape[-1],), (query.shape[1], query.shape[-1]))


@dataclass(frozen=True, eq=False, repr=False)
class ActivatedDot(Score):
    """σ(q · k + u · k + b): `key_vector` u is (dim,) or (heads, dim), `bias` b a number or a (heads,) tensor, and
    σ one of identity, sigmoid, tanh, relu. The exponential of the softmax comes on top, as for every score."""

    key_vector: Tensor
    bias: float | Tensor = 0.0
    activation: str = "sigmoid"

    def __post_init__(self) -> None:
        require_floats("ActivatedDot", "key_vector", self.key_vector)
        if isinstance(self.bias, Tensor):
            require_floats("ActivatedDot", "bias", self.bias)
        elif not is_number(self.bias):
            raise SpecError(
                f"ActivatedDot(bias={described(self.bias)}): expected a finite number or a (heads,) float tensor"
            )
        self.__dict__["_curve"] = Curve(self.activation)

    def prepare(self, query: Tensor, key: Tensor) -> Prepared:
        vector = self.key_vector.to(query.dtype)
        shifted = query + (vector if vector.dim() == 1 else vector[:, None])
        if isinstance(self.bias, Tensor):
            extra = self.bias.to(query.dtype)[:, None, None].expand(*query.shape[:-1], 1)
        else:
            extra = query.new_full((*query.shape[:-1], 1), float(self.bias))
        # b rides along as one more coordinate of q, against a 1 in every key: then the curve needs no parameter
        ones = key.new_ones((*key.shape[:-1], 1))
        return Prepared(torch.cat((shifted, extra), -1), torch.cat((key, ones), -1), 1.0, self.__dict__["_curve"])

    def check(self, query: Tensor, key: Tensor) -> None:
        _same_dim("ActivatedDot", query, key)
        _shape("ActivatedDot(key_vector)", self.key_vector, (query.shape[-1],), (query.shape[1], query.shape[-1]))
        if isinstance(self.bias, Tensor):
            _shape("ActivatedDot(bias)", self.bias, (query.shape[1],))


_STRAIGHT = Curve()


def _unit(x: Tensor) -> Tensor:
    """`x` (..., dim) with every vector divided by its length; a zero vector stays, with a gradient that is finite.

    Lengths are taken in float32 or better: in float16 one can overflow (from 65,520 up), and torch's own `normalize`
    guards with 1e-12, which is 0 there and turns a zero vector into NaN.
    """
    lengths = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.promote_types(x.dtype, torch.float32))
    return (x / torch.where(lengths > 0, lengths, 1.0)).to(x.dtype)


def _same_dim(name: str, query: Tensor, key: Tensor) -> None:
    if query.shape[-1] != key.shape[-1]:
        raise ShapeError(
            f"{name} compares vectors of one size, got query dim {query.shape[-1]} and key dim {key.shape[-1]}: "
            "project them to one size, or use General(weight) with weight (query_dim, key_dim)"
        )


def _shape(name: str, given: Tensor, *expected: tuple[int, ...]) -> None:
    if tuple(given.shape) not in expected:
        wanted = " or ".join(str(shape) for shape in expected)
        raise ShapeError(f"{name} has shape {tuple(given.shape)}; expected {wanted}")
