"""Pairs of texts from files to batches: parts by group, vocabularies, limits, what is refused."""

import numpy as np
import pytest
from tests.tasks.pair_files import sentences, settings, write_pairs

from regard.spec.errors import DataError, SpecError
from regard.tasks.event import unheard
from regard.tasks.pair_part import EDGE_ID, PairPart
from regard.tasks.pairs_data import (
    WRITTEN_TOKENIZER,
    encode_pairs,
    prepare_pairs,
    read_more_pairs,
    source_symbols,
    target_symbols,
    typed_sources,
)
from regard.tasks.task import Asked
from regard.tasks.text_data import TOKENIZER


@pytest.fixture
def path(tmp_path):
    return write_pairs(tmp_path / "sentences.jsonl", sentences())


def test_a_batch_holds_what_is_read_and_what_is_written_between_two_edges():
    part = PairPart([np.array([5, 6, 7]), np.array([8])], [np.array([9]), np.array([9, 10])], ["a", "bc"])
    assert part.lengths.tolist() == [3, 3]  # the longer side, the target with its edge
    batch = part.batch(np.array([1, 0]))
    assert batch.source.tolist() == [[8, 0, 0], [5, 6, 7]]
    assert batch.lengths.tolist() == [1, 3]
    assert batch.inputs.tolist() == [[EDGE_ID, 9, 10], [EDGE_ID, 9, 0]]
    assert batch.targets.tolist() == [[9, 10, EDGE_ID], [9, EDGE_ID, 0]]
    assert batch.scored.tolist() == [[True, True, True], [True, True, False]]
    assert (len(batch), batch.tokens, batch.places) == (2, 1 + 3 + 3 + 2, 12)


def test_parts_hold_each_pair_once_and_say_how_they_came_about(path):
    data = prepare_pairs(settings(path), None, unheard)
    rows = [row.source for part in (data.rows.train, data.rows.validation, data.rows.test) for row in part]
    assert sorted(rows) == sorted(source for source, _ in sentences())
    assert data.counts == {
        "train": 56, "validation": 8, "test": 16, "duplicates": 0, "contradictions": 0, "leaked": 0, "long_targets": 0,
    }  # fmt: skip
    assert data.protocol == "part:test(held-out,seed:0)|rows:16|duplicates:removed"
    assert data.groups is None
    assert list(data.test.truths) == [row.target for row in data.rows.test]


def test_rows_of_one_group_stay_together(tmp_path):
    pages = [f"page {place // 8}" for place in range(80)]
    path = write_pairs(tmp_path / "pages.jsonl", sentences(), group=pages)
    data = prepare_pairs(settings(path), None, unheard)
    parts = [{row.group for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == 10
    assert set(data.groups) == parts[2]
    assert len(data.groups) == len(data.test) == 16


def test_symbols_write_the_text_they_were_made_of(path):
    data = prepare_pairs(settings(path), None, unheard)
    assert set(data.setup.kept) == {TOKENIZER}  # one vocabulary, for one script
    batch = data.test.batch(np.arange(len(data.test)))
    told = [row[:count].tolist() for row, count in zip(batch.targets, batch.written - 1, strict=True)]
    assert target_symbols(data.setup).decode_batch(told) == list(data.test.truths)


def test_two_scripts_have_two_vocabularies_unless_one_is_asked_for(tmp_path):
    verbs = {"waits": "等", "falls": "落", "sings": "唱", "sleeps": "睡"}
    pairs = [(source, f"它在那里{verbs[source.split()[2]]}") for source, _ in sentences()]
    path = write_pairs(tmp_path / "zh.jsonl", pairs)
    data = prepare_pairs(settings(path), None, unheard)
    assert data.settings.writing.vocabulary == "own"
    assert set(data.setup.kept) == {TOKENIZER, WRITTEN_TOKENIZER}
    assert data.setup.facts["spaceless"] is True
    assert source_symbols(data.setup).encode("cat").ids != target_symbols(data.setup).encode("cat").ids
    ids = target_symbols(data.setup).encode("落在").ids
    assert target_symbols(data.setup).decode(ids) == "落在"
    shared = prepare_pairs(settings(path, writing__vocabulary="shared"), None, unheard)
    assert set(shared.setup.kept) == {TOKENIZER}


def test_targets_too_long_to_be_written_are_left_out_of_training_alone_and_told(tmp_path):
    longer = [(source, target if place % 3 else f"{target} {target}") for place, (source, target) in
              enumerate(sentences())]  # fmt: skip
    path = write_pairs(tmp_path / "some.jsonl", longer)
    heard: list[object] = []
    data = prepare_pairs(settings(path, writing__longest=6), None, heard.append)  # 5 words, and the end
    assert {len(one) for one in data.train.targets} == {5}
    whole = prepare_pairs(settings(path, writing__longest=20), None, unheard)
    lengths = [len(one) for one in whole.train.targets]
    assert set(lengths) == {5, 6, 10, 12}
    assert data.counts["long_targets"] == sum(length > 5 for length in lengths) == 56 - len(data.train)
    assert len(data.rows.train) == len(data.train)
    assert any("training pairs left out: targets of 6 symbols or more" in str(event) for event in heard)
    assert len(data.test) == 16  # scores are of whole texts
    assert max(len(truth.split()) for truth in data.test.truths) == 12
    assert {len(one) for one in data.test.targets} == {5}
    with pytest.raises(DataError, match=r"no training target has fewer than 2 symbols; raise writing.longest"):
        prepare_pairs(settings(path, writing__longest=2), None, unheard)


@pytest.mark.parametrize(("keep", "read"), [("first", [0, 1, 2]), ("ends", [0, 1, -1])])
def test_of_long_sources_the_first_symbols_are_read_or_both_ends_and_it_is_told(path, keep, read):
    heard: list[object] = []
    whole = prepare_pairs(settings(path), None, unheard)
    data = prepare_pairs(settings(path, tokens__longest=3, tokens__keep=keep), None, heard.append)
    assert {len(one) for one in data.train.sources} == {3}
    for short, long in zip(data.test.sources, whole.test.sources, strict=True):
        assert short.tolist() == [long[place] for place in read]
    assert any("longer than 3 symbols: so many are read, the first" in str(event) for event in heard)


def test_kinds_that_drop_spaces_are_refused(path):
    with pytest.raises(SpecError, match=r"tokens.kind was 'words': a text is written in characters or in subwords"):
        prepare_pairs(settings(path, tokens__kind="words"), None, unheard)


def test_characters_lose_nothing_either(path):
    data = prepare_pairs(settings(path, tokens__kind="characters", writing__longest=40), None, unheard)
    ids = data.test.targets[0]
    assert len(ids) == len(data.test.truths[0])
    assert target_symbols(data.setup).decode(ids.tolist()) == data.test.truths[0]


def test_more_rows_are_read_as_in_training_with_or_without_targets(path, tmp_path):
    data = prepare_pairs(settings(path), None, unheard)
    more = tmp_path / "more.csv"
    more.write_text("source,target\nthe cat,die Katze\n,eins\nfour,\n")
    with pytest.raises(DataError, match=r"row 2|record 2|2 \(line 3\)"):
        read_more_pairs(Asked(more), data.setup)
    given = read_more_pairs(Asked(more, skip_refused=True), data.setup)
    assert (given.numbers, given.shown, given.refused) == ((1,), ("the cat",), 2)
    assert list(given.part.truths) == ["die Katze"]
    alone = read_more_pairs(Asked(more, truths=False, skip_refused=True), data.setup)
    assert alone.numbers == (1, 3)
    assert not np.isin(given.marks, data.marks).any()


def test_typed_texts_are_sources_and_an_empty_one_is_named(path):
    setup = prepare_pairs(settings(path), None, unheard).setup
    given = typed_sources(["the cat", "the"], setup)
    assert given.part.batch(np.array([0, 1])).targets.tolist() == [[EDGE_ID], [EDGE_ID]]
    assert encode_pairs([], setup).truths == []
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        typed_sources(["the", " "], setup)
