"""Every sentence of the server has its Chinese on the page."""

import pytest
from tests.app.studio.sentences import GAP, chinese, said, table

from regard.lens.methods import METHODS
from regard.lens.trace_view import LIMITS
from regard.tasks.catalogue import TASKS

# of a file, a header, a command, or part of a sentence that is told as a whole
NONE = {
    "text/plain; charset=utf-8",
    "private, max-age=3600",
    "regard walk --numbers numbers.json",
    "the budget is less than",
    "were spent by window + sinks",
    f"with {GAP} of the tokens",
    f"On {GAP}: {GAP} of {GAP} attention layers {GAP}: {GAP}",
}
PARTS = ("regard.", "with regard.", "python -c", "; the best method", f"Measured on {GAP} rows of")


def sentences():
    return [
        pytest.param(one, id=f"{name}: {one[:60]}")
        for name, one in said()
        if one not in NONE and not one.startswith(PARTS)
    ]


@pytest.mark.parametrize("sentence", sentences())
def test_each_has_a_form(sentence):
    told = chinese(sentence.replace(GAP, "17"))
    assert told is not None, f"add {sentence!r} to web/studio/zh/told.json"
    assert any("\u4e00" <= sign <= "\u9fff" for sign in told)
    assert "{" not in told


def test_there_are_many_and_one_without_a_form_is_found():
    assert len(sentences()) > 120
    assert chinese("a sentence that nobody put into Chinese") is None
    assert chinese("An explanation says what the answer rests on") is None  # though "bert says positive" has a form
    assert chinese("bert says positive") == "bert 的答案是 positive"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_a_method_is_about(method):
    assert chinese(method.about) is not None


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_what_a_task_is_about(task):
    assert chinese(task.about) is not None


def test_values_are_filled_in_where_they_belong():
    assert chinese("block 3 of 18") == "第 3 块，共 18 块"
    assert chinese("model.safetensors is cut off: 10 bytes of 40") == "model.safetensors 不完整：40 字节中只有 10 字节"
    assert chinese(LIMITS).startswith("权重")


@pytest.mark.parametrize(
    "sentence",
    [
        "On 10%, 50%: 1 of 2 attention layers ran exact: it drops weights at random (dropout)",
        "On 10%: 2 of 2 attention layers were spent by window + sinks: 5 keys are no whole block of 64: wait",
        "with 50% of the tokens: block 1 of 2",
    ],
)
def test_those_that_are_put_together(sentence):
    assert chinese(sentence) is not None


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "on this input, taking away the 10% heaviest symbols (2 of 20: A (12th), C (3rd)) lowers the probability "
            "of 'EI' from 0.9 to 0.1",
            "2 个：A（第 12 个）, C（第 3 个）",
        ),
        (
            "on this input, taking away the 10% heaviest words (2 of 20: fine, and 1 more without a weight above 0) "
            "raises the probability of 'good' from 0.1 to 0.9",
            "fine，另有 1 个权重不大于 0",
        ),
        (
            "on this input, taking away the 10% heaviest words (1 of 2; none of them speaks for the answer: no weight "
            "is above 0) lowers the probability of 'good' from 0.9 to 0.1",
            "没有一个words支持该答案",
        ),
        (
            "on this input, taking away the 10% heaviest words (1 of 2; none of them speaks for the answer: no weight "
            "is above 0) leaves the probability of 'good' at 0.9",
            "的概率保持在 0.9",
        ),
        (
            "the run was trained or validated on 3 of the 4 further inputs: of new ones this evidence says less",
            "这另外 4 份输入中有 3 份",
        ),
        (
            "the run was trained or validated on some events of 3 of the 4 further inputs: of new ones this evidence "
            "says less",
            "这另外 4 份输入中有 3 份，其中一些事件",
        ),
        ("the run was trained or validated on some events of this input", "这份输入中的一些事件"),
        ("whether the model was trained on the 1 further input is not known", "这另外 1 份输入"),
    ],
)
def test_what_evidence_says(sentence, told):
    assert told in chinese(sentence)


def test_a_sentence_in_a_sentence():
    told = chinese("films cannot be used here: it is damaged: model.safetensors is missing")
    assert told == "films 不能在这里使用：它已损坏：缺少 model.safetensors"


def test_each_form_names_its_own_values():
    for english, other in table():
        gaps = english.count("{}") + english.count("{_}")
        used = {int(part.partition("}")[0]) for part in other.split("{")[1:]}
        assert used <= set(range(1, gaps + 1)), english
