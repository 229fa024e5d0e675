"""Methods of explanation: one a file, one a row."""

from regard.lens.methods import (
    gradient_attention,
    gradient_input,
    integrated_gradients,
    last_attention,
    mean_attention,
    norm_rollout,
    occlusion,
    rollout,
    value_norms,
)
from regard.lens.methods.method import Asking, Method, Weighed
from regard.spec.errors import SpecError

__all__ = ["METHODS", "Asking", "Method", "Weighed", "method_named"]

METHODS: tuple[Method, ...] = (
    last_attention.METHOD,
    mean_attention.METHOD,
    rollout.METHOD,
    value_norms.METHOD,
    norm_rollout.METHOD,
    gradient_attention.METHOD,
    gradient_input.METHOD,
    integrated_gradients.METHOD,
    occlusion.METHOD,
)


def method_named(name: str) -> Method:
    """The method of that name. Raises `SpecError`, naming those there are."""
    for method in METHODS:
        if method.name == name:
            return method
    raise SpecError(f"method={name!r}: expected 'best' or one of {', '.join(repr(each.name) for each in METHODS)}")
