import math
from types import SimpleNamespace

import pytest
import torch

from regard.lens.answers import class_of, class_score, logits_of, sequence_score
from regard.spec.errors import ShapeError, SpecError


def test_logits_are_found_in_what_a_model_gives():
    logits = torch.tensor([[1.0, 2.0]])
    assert logits_of(logits) is logits
    assert logits_of((logits, "weights")) is logits
    assert logits_of(SimpleNamespace(logits=logits)) is logits
    for wrong in ("text", (), torch.tensor([1, 2])):
        with pytest.raises(ShapeError, match="expected logits"):
            logits_of(wrong)


def test_a_class_by_name_by_index_or_the_likeliest():
    logits = torch.tensor([0.0, 2.0, 1.0])
    labels = ["bad", "good", "none"]
    assert class_of(None, logits, labels) == (1, "good")
    assert class_of("none", logits, labels) == (2, "none")
    assert class_of(0, logits, None) == (0, "0")
    assert class_of(None, torch.tensor([-1.0]), None) == (0, "0")  # a single logit is that of class 1
    for wrong, message in (("fine", "no such class; it has bad"), (3, "classes 0 to 2"), (True, "by its name")):
        with pytest.raises(SpecError, match=message):
            class_of(wrong, logits, labels)
    with pytest.raises(SpecError, match="2 labels for 3"):
        class_of(None, logits, labels[:2])


def test_ln_p_of_a_class():
    logits = torch.tensor([[0.0, math.log(3.0)]])
    assert class_score(logits, 1).exp().tolist() == pytest.approx([0.75])
    assert class_score(logits, 1, several=True).exp().tolist() == pytest.approx([0.75])  # 3 / (1 + 3)
    assert class_score(logits, 0, several=True).exp().tolist() == pytest.approx([0.5])
    assert class_score(torch.tensor([[math.log(3.0)]]), 0).exp().tolist() == pytest.approx([0.25])


def test_ln_p_of_tokens_one_after_the_other():
    """Two rows of three places over two tokens; the last real place of the second row is place 1. Of (1, 0): token 1 is
    told by the place before, token 0 by the last one."""
    log = math.log
    logits = torch.tensor(
        [
            [[0.0, 0.0], [0.0, log(3)], [log(4), 0.0]],  # .75, .8
            [[0.0, log(9)], [log(4), 0.0], [7.0, 7.0]],  # .9, .8
        ]
    )
    found = sequence_score(logits, torch.tensor([2, 1]), torch.tensor([1, 0]))
    assert found.exp().tolist() == pytest.approx([0.6, 0.72])
