"""Tokens: which they are, where in the text they lie, which of a long text are read."""

import pytest

from regard.spec.errors import CheckpointError
from regard.tasks.settings import TokenSettings
from regard.tasks.vocabulary import (
    UNKNOWN_ID,
    chosen_kind,
    load_vocabulary,
    spaceless_share,
    train_vocabulary,
)

SETTINGS = TokenSettings(least=1)


def trained(texts, kind="words", **changes):
    return train_vocabulary(texts, SETTINGS.model_copy(update=changes), kind)


def words(vocabulary, text):
    (pieces,) = vocabulary.pieces([text])
    return [text[start:end] for start, end in pieces.spans]


def test_words_keep_apostrophes_and_part_signs():
    vocabulary = trained(["a"])
    assert words(vocabulary, "Don't stop, it's (so) good-ish!") == [
        "Don't", "stop", ",", "it's", "(", "so", ")", "good", "-", "ish", "!",
    ]  # fmt: skip


def test_html_breaks_are_read_as_spaces_and_places_stay_those_of_the_text():
    vocabulary = trained(["good film"])
    text = "good<br /><BR>film"
    (pieces,) = vocabulary.pieces([text])
    assert pieces.spans == ((0, 4), (14, 18))
    assert UNKNOWN_ID not in pieces.ids


def test_places_survive_letters_whose_lower_case_is_longer():
    assert words(trained(["a"]), "İyi ﬁlm Ünlü") == ["İyi", "ﬁlm", "Ünlü"]


def test_most_frequent_words_get_the_places_there_are():
    vocabulary = trained(["a a a b b c"] * 3, size=12, least=4)
    assert len(vocabulary) == 4  # padding, unknown, a, b: c occurs 3 times only
    assert vocabulary.ids(["a b c"]) == [[2, 3, UNKNOWN_ID]]


def test_case_counts_only_if_asked():
    assert trained(["Film film"]).ids(["Film film"])[0] == [2, 2]
    assert len(set(trained(["Film film"], lowercase=False).ids(["Film film"])[0])) == 2


def test_long_texts_are_read_at_both_ends_or_at_the_beginning():
    text = "a b c d e f g"
    ends, first = trained([text], longest=5), trained([text], longest=5, keep="first")
    assert words(ends, text) == ["a", "b", "c", "f", "g"]
    assert words(first, text) == ["a", "b", "c", "d", "e"]
    assert ends.pieces([text])[0].unread == 2
    assert ends.pieces(["a b"])[0].unread == 0


def test_ids_and_pieces_agree():
    texts = ["one two three", "two", "vier fünf sechs one " * 100]
    vocabulary = trained(texts[:1])
    assert [list(piece.ids) for piece in vocabulary.pieces(texts)] == vocabulary.ids(texts)


def test_subwords_cut_chinese_into_recurring_parts():
    texts = ["我喜欢吃苹果", "我喜欢吃面", "他喜欢苹果", "苹果"] * 5
    vocabulary = trained(texts, "subwords", size=13)
    assert words(vocabulary, "他喜欢吃苹果！") == ["他", "喜欢", "吃", "苹果", "！"]


def test_characters():
    assert words(trained(["苹果 ab"], "characters"), "果 a b") == ["果", "a", "b"]


def test_a_text_without_tokens_is_one_unknown():
    vocabulary = trained(["a"])
    assert vocabulary.ids(["<br />"]) == [[UNKNOWN_ID]]
    assert vocabulary.pieces(["<br />"])[0].spans == ((0, 6),)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("a film that I liked", "words"), ("我喜欢吃苹果", "subwords"), ("りんごが好き", "subwords"), ("ไทย", "subwords")],
)
def test_auto_goes_by_the_script(text, kind):
    assert chosen_kind([text], SETTINGS) == kind


def test_a_kind_that_was_asked_for_is_kept():
    assert chosen_kind(["我喜欢吃苹果"], SETTINGS.model_copy(update={"kind": "words"})) == "words"


def test_spaceless_share_is_of_characters():
    assert spaceless_share(["果果aa"]) == 0.5
    assert spaceless_share([]) == 0.0


@pytest.mark.parametrize("kind", ["words", "subwords", "characters"])
def test_a_saved_vocabulary_reads_the_same(tmp_path, kind):
    texts = ["a film that I liked, 我喜欢吃苹果", "another film<br />"] * 3
    vocabulary = trained(texts, kind)
    path = tmp_path / "tokenizer.json"
    path.write_text(vocabulary.tokenizer.to_str(), encoding="utf-8")
    assert load_vocabulary(path, SETTINGS).pieces(texts) == vocabulary.pieces(texts)


def test_training_twice_gives_the_same_vocabulary():
    texts = [f"word{i % 7} other{i % 11} 苹果{i % 5}" for i in range(200)]
    for kind in ("words", "subwords", "characters"):
        assert trained(texts, kind).tokenizer.to_str() == trained(texts, kind).tokenizer.to_str()


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0", "trunc'])
def test_a_broken_vocabulary_file_is_named(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"tokenizer.json is no readable vocabulary .*; copy the whole run"):
        load_vocabulary(path, SETTINGS)
    with pytest.raises(CheckpointError, match=r"missing.json"):
        load_vocabulary(tmp_path / "missing.json", SETTINGS)
