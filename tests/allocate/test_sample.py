"""One input of a model: what is taken as one, what a model is called with, and reading on from a cache."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.allocate.small import Looker, llama, numbers, text
from torch import nn

from regard.allocate.sample import (
    Sample,
    check_row,
    continued,
    copied,
    decodes,
    logits_of,
    main_of,
    read_prompt,
)
from regard.spec import SpecError


def test_a_row_of_ids_is_a_batch_of_one() -> None:
    for given in ([1, 2, 3], (1, 2, 3), torch.tensor([1, 2, 3]), torch.tensor([[1, 2, 3]])):
        sample = Sample.of(given)
        assert sample.ids is not None
        assert sample.ids.tolist() == [[1, 2, 3]]
        assert [each.tolist() for each in sample.args] == [[[1, 2, 3]]]


def test_a_dict_is_what_the_model_is_called_with() -> None:
    ids = text(5)
    sample = Sample.of({"input_ids": ids, "attention_mask": torch.ones(1, 5)})
    assert sample.ids is ids
    assert Sample.of({"x": numbers(4)}).ids is None
    assert Sample.of(numbers(4)).ids is None


@pytest.mark.parametrize("given", ["a text", 3, [], [1.5], [True], None])
def test_what_is_no_sample(given: object) -> None:
    with pytest.raises(SpecError, match=r"a sample is .*expected what the model takes"):
        Sample.of(given)


def test_a_sample_is_known_by_its_content() -> None:
    assert Sample.of([1, 2]).hash == Sample.of(torch.tensor([1, 2])).hash
    assert Sample.of([1, 2]).hash != Sample.of([1, 3]).hash
    first = Sample.of({"a": torch.ones(1), "b": torch.zeros(1)})
    assert first.hash == Sample.of({"b": torch.zeros(1), "a": torch.ones(1)}).hash
    assert first.hash != Sample.of({"a": torch.zeros(1), "b": torch.ones(1)}).hash


class Asked(nn.Module):
    """Gives back what it is called with."""

    def forward(self, x: Any, use_cache: bool = True, scale: int = 1) -> Any:
        return x, use_cache, scale


def test_a_model_is_given_what_it_takes() -> None:
    sample = Sample.of({"x": torch.ones(2), "scale": 3})
    assert sample.run(Asked(), use_cache=False, logits_to_keep=1)[1:] == (False, 3)
    assert Sample.of({"x": 1, "use_cache": True}).run(Asked(), use_cache=False)[1] is True


def test_a_loss_is_made_of_all_logits() -> None:
    ids = text(6)
    model = llama()
    with torch.no_grad():
        out = Sample.of({"input_ids": ids, "labels": ids}).run(model, logits_to_keep=1)
        short = Sample.of(ids).run(model, logits_to_keep=1)
    assert out.loss is not None
    assert (out.logits.shape[1], short.logits.shape[1]) == (6, 1)


def test_which_models_decode() -> None:
    model = llama()
    assert decodes(model, Sample.of(text(4)))
    assert decodes(model, Sample.of({"input_ids": text(4), "attention_mask": torch.ones(1, 4)}))
    assert not decodes(model, Sample.of({"input_ids": text(4), "labels": text(4)}))
    assert not decodes(model, Sample.of(numbers(4)))
    assert not decodes(Looker(), Sample.of(text(4)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.ones(2, 9, dtype=torch.int64), "a batch of 2, or padded"),
        ({"input_ids": text(9), "attention_mask": torch.tensor([[0] + [1] * 8])}, "a batch of 1, or padded"),
        (text(2), "has 2 tokens: expected at least 3"),
    ],
)
def test_what_cannot_be_decoded_row_by_row(given: object, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        check_row(Sample.of(given), 3)


def test_reading_on_from_a_cache_gives_what_one_pass_gives() -> None:
    model, ids = llama(), text(20)
    with torch.no_grad():
        whole = model(ids).logits
        cache = read_prompt(model, ids[:, :8])
        for _ in range(2):  # twice, from copies of one prompt
            parts = list(continued(model, ids, 8, copied(cache), width=5))
            assert [places for places, _ in parts] == [range(8, 13), range(13, 18), range(18, 20)]
            made = torch.cat([output.logits for _, output in parts], 1)
            torch.testing.assert_close(made, whole[:, 8:], rtol=1e-4, atol=1e-4)
    assert cache.get_seq_length() == 8


def test_what_an_output_comes_down_to() -> None:
    one, two = torch.ones(2), torch.zeros(3)
    assert main_of(one) is one
    assert main_of((one, two)) is one
    assert main_of({"ids": torch.ones(2, dtype=torch.int64), "last": two}) is two
    assert logits_of({"logits": one}) is one
    assert logits_of(one) is None
    for nothing in ("text", {}, [], {"ids": torch.ones(1, dtype=torch.int64)}):
        with pytest.raises(SpecError, match="expected a tensor"):
            main_of(nothing)
