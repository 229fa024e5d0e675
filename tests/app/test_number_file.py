import json

import numpy as np
import pytest

from regard.app.number_file import numbers_from
from regard.spec import DataError

FINE = {"q": [[1, 0]], "k": [[1, 0], [0, 1]], "v": [[1, 2], [3, 4.5]]}


@pytest.fixture
def file(tmp_path):
    def write(values):
        path = tmp_path / "numbers.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
        return path

    return write


def test_what_is_given_is_what_is_used(file):
    numbers = numbers_from(file(FINE))
    assert numbers.query.tolist() == [[1, 0]]
    assert numbers.key.tolist() == [[1, 0], [0, 1]]
    assert numbers.value.tolist() == [[1, 2], [3, 4.5]]
    assert numbers.value.dtype == np.float64
    assert (numbers.query_names, numbers.key_names) == (("q1",), ("k1", "k2"))
    assert numbers.residual is numbers.query
    assert numbers.formula.endswith("d = 2")


def test_words_name_the_rows(file):
    assert numbers_from(file(FINE | {"words": ["a", "b"]})).key_names == ("a", "b")
    square = FINE | {"q": [[1, 0], [0, 1]], "words": ["a", "b"]}
    assert numbers_from(file(square)).query_names == ("a", "b")


def test_the_residual(file):
    assert numbers_from(file(FINE | {"x": [[7, 8]]})).residual.tolist() == [[7, 8]]
    without = numbers_from(file(FINE | {"v": [[1], [2]]}))
    assert without.residual is None
    assert "Give x to have one added" in without.notes[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("", "cannot be read as JSON"),
        ("[1]", "holds a JSON list"),
        ({**FINE, "w": 1}, "unknown entry 'w'; those there are: q, k, v, x, words"),
        ({"q": [[1]], "k": [[1]]}, "v is null; expected a list of rows"),
        ({**FINE, "q": [1, 0]}, "q is \\[1, 0\\]; expected a list of rows"),
        ({**FINE, "q": []}, "expected a list of rows"),
        ({**FINE, "q": [[]]}, "expected a list of rows"),
        ({**FINE, "k": [[1, 0], [0]]}, "row 2 of k has 1 numbers, the first 2"),
        ({**FINE, "k": [[1, 0], [0, "1"]]}, "row 2 of k holds '1'; expected finite numbers"),
        ({**FINE, "k": [[1, True], [0, 1]]}, "row 1 of k holds True"),
        ('{"q": [[NaN]], "k": [[1]], "v": [[1]]}', "row 1 of q holds nan"),
        ({**FINE, "v": [[1]]}, "as many rows in v as in k"),
        ({**FINE, "q": [[1, 2, 3]]}, "q and k with equally long rows"),
        ({**FINE, "x": [[1]]}, r"x has the shape \(1, 1\), expected \(1, 2\)"),
        ({**FINE, "words": ["a"]}, "words must be a list of 2 texts"),
        ({"q": [[1]], "k": [[1]] * 17, "v": [[1]] * 17}, "k has 17 rows of 1 numbers, expected at most 16"),
    ],
)
def test_anything_else_is_refused_with_its_place(values, said, file):
    with pytest.raises(DataError, match=said):
        numbers_from(file(values))


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        numbers_from(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        numbers_from(tmp_path)
