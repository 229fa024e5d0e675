from regard.tasks.baselines.tags import usual_tags

TRAIN = [
    (("the", "can", "is", "full"), ("at", "nn", "be", "jj")),
    (("we", "can", "can", "the", "fish"), ("pp", "md", "md", "at", "nn")),
    (("Fish", "is", "good"), ("nn", "be", "jj")),
]


def test_the_most_frequent_tag_of_each_word():
    assert usual_tags(TRAIN, [("the", "can")]) == [["at", "md"]]  # can: md twice, nn once


def test_a_word_at_the_beginning_has_the_tag_of_its_small_form_where_it_was_never_so_written():
    assert usual_tags(TRAIN, [("The", "Fish", "IS")]) == [["at", "nn", "be"]]


def test_a_new_word_is_like_those_that_occur_once():
    # full (jj), we (pp), fish (nn), Fish (nn), good (jj) occur once: jj and nn twice each, the first in order
    assert usual_tags(TRAIN, [("blue",)]) == [["jj"]]
    assert usual_tags([(("a", "a"), ("x", "x"))], [("b",)]) == [["x"]]  # where none occurs once: the most frequent


def test_a_new_word_is_not_like_the_frequent_ones():
    assert usual_tags([(("a", "a", "b", "b", "c"), ("x", "x", "x", "x", "y"))], [("new",)]) == [["y"]]
