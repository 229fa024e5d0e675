"""What `regard walk` prints: the tables are read back and held against the numbers."""

import re

import numpy as np
import pytest

from regard.app.walking import from_sentence, walk


def table(text, title):
    """The numbers of the table below the line that begins with `title`, without its header and names."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(title):
            break
    rows = []
    for line in lines:
        found = re.findall(r"-?\d+\.\d+", line)
        if found and not line.startswith("   "):
            rows.append([float(value) for value in found])
        elif rows:
            break
    return np.array(rows)


@pytest.mark.parametrize("arguments", [[], ["the cat sat"]])
def test_every_number_is_printed(arguments, regard):
    code, out, err = regard("walk", *arguments)
    assert (code, err) == (0, "")
    given = from_sentence(arguments[0] if arguments else "我 喜欢 吃 苹果")
    taken = walk(given)
    assert table(out, "0. ") == pytest.approx(given.key, abs=6e-4)
    assert table(out, "1. matrix") == pytest.approx(taken.scores, abs=6e-4)
    weights = table(out, "2. allocation")
    assert weights[:, :-1] == pytest.approx(taken.weights, abs=6e-4)
    assert weights[:, -1].tolist() == [1.0] * len(weights)
    assert table(out, "3. context") == pytest.approx(taken.context, abs=6e-4)
    assert table(out, "4. output") == pytest.approx(taken.output, abs=6e-4)


def test_formulas_stand_beside_the_steps_and_the_matrix_is_drawn(regard):
    out = regard("walk")[1]
    for formula in (
        "(q_i · k_j) / √d,  d = 4",
        "exp(score(i, j)) / Σ_l",
        "c_i = Σ_j weight(i, j) · v_j",
        "y_i = x_i + c_i",
    ):
        assert formula in out
    drawn = [line for line in out.splitlines() if "│" in line]
    assert len(drawn) == 4
    assert all(len(line.split("│")[1]) == 12 for line in drawn)
    assert "█" in "".join(drawn)
    assert "regard.attend gives the same context" in out


def test_the_readers_own_numbers(regard, examples):
    out = regard("walk", "--numbers", examples / "numbers.json")[1]
    assert table(out, "1. matrix")[0].tolist() == [0.707, 0.0, 0.354]  # (1, 0) against the keys, divided by √2
    assert table(out, "3. context")[2].tolist() == [3.0, 4.0]  # equal scores: the mean of the values
    assert "cats" in out


def test_without_a_residual_there_is_no_fourth_step(regard, tmp_path):
    file = tmp_path / "n.json"
    file.write_text('{"q": [[1, 0]], "k": [[1, 0]], "v": [[5]]}')
    out = regard("walk", "--numbers", file)[1]
    assert "3. context" in out
    assert "4. output" not in out
    assert "Give x to have one added" in out


def test_the_worked_examples(regard):
    half = regard("walk", "--example", "half")[1]
    assert table(half, "2. allocation").tolist() == [[0.5, 0.5, 1.0]]
    assert table(half, "3. context").tolist() == [[1.5]]
    animals = regard("walk", "--example", "cat-dog-pig")[1]
    assert table(animals, "2. allocation")[0].tolist() == [0.386, 0.307, 0.307, 1.0]
    assert "does not follow" in animals
    assert "σ(q_i · k_j + u · k_j + b)" in animals


def test_a_sentence_needs_no_quotes(regard):
    assert regard("walk", "我", "喜欢", "吃", "苹果") == regard("walk", "我 喜欢 吃 苹果")
