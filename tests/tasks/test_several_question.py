"""Two tasks on one core: which of them is asked."""

import pytest
import torch
from tests.tasks.test_several import both  # noqa: F401
from tests.tasks.untrained import untrained

from regard.lens.explain import weigh
from regard.spec.errors import SpecError

TEXT = "where does the cat sleep"


@pytest.fixture
def run(both):  # noqa: F811
    return untrained(both, both.settings())[0]


def test_the_label_or_the_number_says_which_task_is_asked(run):
    assert run.question(TEXT).target.startswith("review: ")
    assert run.question(TEXT, piece=2).target.startswith("pet: ")
    assert run.question(TEXT, "dog").target == "pet: dog"
    assert run.question(TEXT, "bad").target == "review: bad"


def test_it_is_the_task_s_own_probability(run):
    given = run.typed([TEXT])
    batch = given.part.batch(torch.tensor([0]).numpy())
    with torch.no_grad():
        shares = run.model.models["pet"](*batch.inputs)[0].softmax(-1)[0]
    labels = run.setup.facts["members"]["pet"]["labels"]
    assert run.question(TEXT, "dog").probability == pytest.approx(float(shares[labels.index("dog")]), abs=1e-5)
    assert len(weigh(run.question(TEXT, "dog", words=True), "integrated gradients").weights) == 5


def test_what_cannot_be_asked_is_said(run):
    with pytest.raises(SpecError, match="has 2 tasks on one core: review, pet"):
        run.question(TEXT, piece=3)
    with pytest.raises(SpecError, match="no such class; it has bad, good"):
        run.question(TEXT, "horse")
