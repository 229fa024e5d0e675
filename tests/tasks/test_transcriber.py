"""The two ways of writing down what is heard: losses and choices by hand."""

import math

import pytest
import torch
from tests.tasks.sound_files import recordings

from regard.nn.decoding import Output
from regard.tasks import transcriber
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.speech import SPEECH
from regard.tasks.transcriber import best_heard, ctc_losses, judge_heard

A, B = 3, 4  # two characters


def moments(*rows):
    """ln p (1, len, 5) of blank, A and B at each moment; nothing of the other symbols."""
    table = torch.zeros(1, len(rows), 5)
    for place, (blank, a, b) in enumerate(rows):
        table[0, place, 0], table[0, place, A], table[0, place, B] = blank, a, b
    return table.log()


def test_ctc_adds_up_all_ways_to_spread_a_text_over_two_moments():
    heard = moments((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))
    # "A" is: A then A, A then nothing, nothing then A
    ways = 0.25 * 0.5 + 0.25 * 0.25 + 0.5 * 0.5
    (loss,) = ctc_losses(heard, torch.tensor([2]), torch.tensor([[A]]), torch.tensor([1])).tolist()
    assert loss == pytest.approx(-math.log(ways), rel=1e-5)


def test_a_text_that_needs_more_moments_than_there_are_adds_nothing():
    heard = moments((0.5, 0.25, 0.25), (0.25, 0.5, 0.25))
    twice = ctc_losses(heard, torch.tensor([2]), torch.tensor([[A, A]]), torch.tensor([2]))
    assert twice.tolist() == [0]  # two of one character need a moment of nothing between them


def test_a_path_joins_runs_and_drops_what_is_no_character():
    heard = moments((0.1, 0.8, 0.1), (0.1, 0.8, 0.1), (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
    assert transcriber._paths(heard, torch.tensor([5])) == [(A, A, B)]
    assert transcriber._paths(heard, torch.tensor([2])) == [(A,)]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(model, a batch of three, setup), as drawn."""
    asked = {
        "core.dim": 16,
        "core.hidden": 16,
        "core.layers": 1,
        "core.heads": 2,
        "sound.mels": 8,
        "writing.longest": 12,
    }
    table = recordings(tmp_path_factory.mktemp("sounds"), 20)
    settings = changed(SPEECH.settings(), {"data": DataSettings(path=str(table)).model_dump(), **asked})
    data = SPEECH.prepare(settings, None, unheard)
    torch.manual_seed(1)
    model = SPEECH.build(data.setup).eval()
    return model, data.train.batch(torch.arange(3).numpy()), data.setup


def with_share(setup, share):
    return type(setup)(changed(setup.settings, {"sound.ctc": share}), setup.facts, setup.kept)


def test_the_loss_is_of_both_by_their_shares(small):
    model, batch, setup = small
    found = {share: judge_heard(model, batch, with_share(setup, share)).losses.sum() for share in (0.0, 0.5)}
    logits, heard, lengths = model(batch.given, batch.inputs)
    plain = torch.nn.functional.cross_entropy(logits[batch.scored], batch.targets[batch.scored], reduction="sum")
    spread = ctc_losses(heard, lengths, batch.targets, batch.written - 1).sum()
    torch.testing.assert_close(found[0.0], plain)
    torch.testing.assert_close(found[0.5], (plain + spread) / 2)
    assert judge_heard(model, batch, setup).units == int(batch.written.sum())


def test_smoothing_is_for_training_alone(small):
    model, batch, setup = small
    smooth = type(setup)(changed(setup.settings, {"train.label_smoothing": 0.5}), setup.facts, setup.kept)
    hard = type(setup)(changed(setup.settings, {"train.label_smoothing": 0.0}), setup.facts, setup.kept)
    torch.testing.assert_close(judge_heard(model, batch, smooth).losses, judge_heard(model, batch, hard).losses)


def test_among_the_beam_and_the_path_the_one_that_both_find_likeliest_is_taken(small, monkeypatch):
    """By the decoder (A,) is likelier, by the moments (B,): the share says who decides."""
    model, batch, setup = small
    outputs = [[Output((A,), 0.0, 0.0, True)]] * 3
    monkeypatch.setattr(transcriber, "beam_search", lambda *given, **asked: outputs)
    monkeypatch.setattr(transcriber, "_paths", lambda heard, lengths: [(B,)] * 3)
    scores = torch.tensor([-1.0, -3.0] * 3), torch.tensor([-4.0, -1.0] * 3)
    monkeypatch.setattr(transcriber, "_scores", lambda *given: scores)
    # at .3: A is -1.9, B is -2.4; at .5: A is -2.5, B is -2
    assert [one.ids for one in best_heard(model, batch, with_share(setup, 0.3))] == [(A,)] * 3
    (first, *_) = best_heard(model, batch, with_share(setup, 0.5))
    assert (first.ids, first.log_probability, first.score) == ((B,), -3.0, -2.0)


def test_scores_of_candidates_are_those_of_the_losses(small):
    """ln p of the texts of the batch, each as the one candidate of its row, are its losses with the sign changed."""
    model, batch, _ = small
    with torch.no_grad():
        context = model.writer.read(batch.given)
        heard = model.moments(context)
        texts = [tuple(row[: length - 1].tolist()) for row, length in zip(batch.targets, batch.written, strict=True)]
        decoder, spread = transcriber._scores(model, context, heard, torch.arange(3), texts)
        logits, heard, lengths = model(batch.given, batch.inputs)
        logs = logits.log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0].masked_fill(~batch.scored, 0).sum(1)
    torch.testing.assert_close(decoder, logs)
    torch.testing.assert_close(-spread, ctc_losses(heard, lengths, batch.targets, batch.written - 1))


def test_an_answer_has_no_sign_that_is_no_character_and_is_no_longer_than_the_sound(small):
    model, batch, setup = small
    found = best_heard(model, batch, setup)
    most = model.writer.read(batch.given).present.sum(-1).max()
    for one in found:
        assert not {0, 1, 2} & set(one.ids)
        assert len(one.ids) <= most
