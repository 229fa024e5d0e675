"""Which words a tag rests on: of one word, and of all together."""

import json
import math
import random

import pytest
import torch
from tests.tasks.test_tag import SMALL, sentence
from tests.tasks.untrained import without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.tag import TAG
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """ "can" is a noun after "the" and a verb after "we"."""
    draw, folder, lines = random.Random(0), tmp_path_factory.mktemp("tags"), []
    for at in range(200):
        words, tags = sentence(draw)
        more, others = sentence(draw)
        lines.append(
            json.dumps({"tokens": [*words, f"x{at}", *more], "tags": [*tags, "uh", *others], "group": f"{at}"})
        )
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    data = DataSettings(path=str(folder / "rows.jsonl")).model_dump()
    train_run(changed(TAG.settings(), {"data": data, **SMALL}), folder / "run")
    return load_run(folder / "run")


def test_one_word_s_tag_rests_on_itself_and_the_word_before_it(run):
    question = run.question("The can falls.", piece=2)
    assert (question.target, question.units.texts) == ("can/nn", ("The", "can", "falls", "."))
    assert question.probability > 0.9
    weights = weigh(question, "occlusion").weights
    assert float(weights[:2].min()) > 20 * float(weights[2:].max())
    other = run.question("The can falls.", "vb", piece=2)
    assert other.target == "can/vb"
    assert other.probability < 0.1


def test_all_tags_together_are_the_mean_of_their_logs(run):
    whole = run.question("The can falls.")
    assert whole.target == "The/at can/nn falls/vb ./."
    each = [math.log(run.question("The can falls.", piece=place).probability) for place in (1, 2, 3, 4)]
    assert math.log(whole.probability) == pytest.approx(sum(each) / 4, abs=1e-5)
    assert whole.quantity == "probability a tag, their geometric mean"


def test_zero_is_the_sum_of_no_vectors(run):
    question = run.question("We can often.", piece=2)
    batch = run.typed(["We can often."]).part.batch(torch.tensor([0]).numpy())
    with torch.no_grad():
        x = sum(part(one) for part, one in zip(
            (run.model.words, run.model.endings, run.model.shapes), batch.features.unbind(-1), strict=True
        ))  # fmt: skip
        x[0, 0] = 0
        logs = run.model.head(run.model.encoder(x)).log_softmax(-1)[0, 1]
    tag = run.setup.facts["tags"].index(question.target.partition("/")[2])
    assert question.scores(without(question, 0), "zero").item() == pytest.approx(float(logs[tag]), abs=1e-5)


def test_every_method_answers_and_attention_is_read_where_the_word_is(run):
    question = run.question("The can falls.", piece=2)
    assert question.attention.readout.tolist() == [0, 1, 0, 0]
    for method in METHODS:
        assert weigh(question, method.name).weights.shape == (4,)


def test_what_cannot_be_asked_is_said(run):
    with pytest.raises(SpecError, match="the words 1 to 4"):
        run.question("The can falls.", piece=5)
    with pytest.raises(SpecError, match="say of which word, piece=1 to 4"):
        run.question("The can falls.", "nn")
    with pytest.raises(SpecError, match="no such class"):
        run.question("The can falls.", "xx", piece=1)
