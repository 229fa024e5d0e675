"""What our Keras layers refuse, carry along, drop and save, and the memory they take; a process for each backend."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import cache

import pytest
from tests.bridges.keras_processes import BACKENDS, run

WORDS = {
    "flash": "planner's choice",
    "groups": "4 heads cannot share 3 key heads",
    "dropout": "0 <= dropout < 1",
    "units": "`units` is 0",
    "sizes": "of sizes 4 and 3: units= projects both",
    "list": "must be called on a list",
    "axes": r"attention_axes=(3,) for inputs with 3 axes",
    "two axes": "name one in attention_axes",
    "mask": "attention_mask has shape (2,)",
    "lengths": "must be equal but for the last axis",
    "tokens": "value_mask has 3 axes, (2, 6, 1): expected 2",
}


@cache
def facts(backend: str) -> dict[str, object]:
    return json.loads(run("keras_facts.py", backend).splitlines()[-1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", WORDS)
def test_what_does_not_fit_is_refused_with_what_would(name: str, backend: str) -> None:
    assert WORDS[name] in facts(backend)["refused"][name]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cut", ["whole", "tiles"])
def test_the_backward_pass_drops_what_the_forward_pass_dropped(cut: str, backend: str) -> None:
    found = facts(backend)["dropped"][cut]
    assert found["again"] == found["sum"]  # the same seed, the same weights
    assert math.isclose(found["through the gradient"], found["sum"], rel_tol=1e-5)
    assert 1e-3 < abs(found["sum"] / found["without dropout"] - 1) < 0.2


@pytest.mark.parametrize("backend", BACKENDS)
def test_configs_come_back_whole(backend: str) -> None:
    assert facts(backend)["configs"] == {"bahdanau": True, "heads": True, "grouped": True}


@pytest.mark.parametrize("backend", BACKENDS)
def test_keras_own_weights_give_kerass_own_output(backend: str) -> None:
    assert facts(backend)["weights"] < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_masks_come_in_and_go_on(backend: str) -> None:
    assert facts(backend)["masks"] == [True, True]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_around_a_layer_that_is_traced_learns(backend: str) -> None:
    before, after = facts(backend)["learns"]
    assert after < 0.9 * before


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_in_padding_leaves_no_trace_and_nothing_may_have_a_length(backend: str) -> None:
    assert facts(backend)["padding"] is True
    assert facts(backend)["nothing"] == [[2, 0, 4], [2, 6, 4]]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
@pytest.mark.parametrize("kind", ["dot", "additive"])
def test_no_array_of_all_scores_arises_in_training(kind: str, backend: str) -> None:
    """In tiles, forward and backward take less than one array of all scores (134 MB); at once, twice that and more."""
    tiles, whole = (
        json.loads(run("keras_memory.py", backend, kind, how).splitlines()[-1]) for how in ("tiles", "whole")
    )
    assert tiles["MB"] < 134
    if (kind, backend) != ("additive", "jax"):  # there XLA may sum the terms as it makes them, of its own accord
        assert whole["MB"] > 268
    assert math.isclose(tiles["gradient"], whole["gradient"], rel_tol=1e-4)


def test_regard_does_not_load_keras() -> None:
    code = "import sys, regard, regard.bridges; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("version", [None, "2.15.0"])
def test_without_keras_3_the_command_that_installs_it_is_told(version: str | None) -> None:
    code = (
        "import sys, types; sys.modules['keras'] = "
        f"{'None' if version is None else f'types.SimpleNamespace(__version__={version!r})'}\n"
        "from regard.spec.errors import MissingExtraError\n"
        "try: import regard.bridges.keras\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'regard[keras]'" in done.stdout
    assert version is None or version in done.stdout
