import pytest

from regard.app.given_text import typed, whole_file
from regard.spec import DataError, SpecError


def test_a_text_is_kept_as_it_is():
    assert typed("  a film\n") == "  a film\n"


@pytest.mark.parametrize(
    ("text", "said"), [("", "empty"), (" \n", "empty"), ("abc\udcff", "not UTF-8 after 3 characters")]
)
def test_what_is_no_text_is_refused(text, said):
    with pytest.raises(SpecError, match=said):
        typed(text)


def test_a_file_is_one_text(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\n\ntwo")
    assert whole_file(file) == "one\n\ntwo"


@pytest.mark.parametrize(("content", "said"), [(b"ab\xff", "broken UTF-8 at byte 3"), (b" \n", "is empty")])
def test_a_file_that_is_no_text_is_refused(content, said, tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        whole_file(file)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        whole_file(tmp_path / "none.txt")
