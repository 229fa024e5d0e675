"""Answers out of a model that writes step by step: greedy, beam search, sampling, streaming; and where it looked."""

from regard.nn.decoding.alignment import Aligning, alignment
from regard.nn.decoding.beam import beam_search, penalty
from regard.nn.decoding.context import Context
from regard.nn.decoding.greedy import greedy
from regard.nn.decoding.language_model import LanguageModel, LanguageState
from regard.nn.decoding.sampling import Sampling, sample, stream
from regard.nn.decoding.steps import Limits, Output, State, Steps
from regard.nn.decoding.window_cache import WindowCache

__all__ = [
    "Aligning",
    "Context",
    "LanguageModel",
    "LanguageState",
    "Limits",
    "Output",
    "Sampling",
    "State",
    "Steps",
    "WindowCache",
    "alignment",
    "beam_search",
    "greedy",
    "penalty",
    "sample",
    "stream",
]
