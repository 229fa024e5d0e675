"""The state survives JSON to the last bit; every step has its own seed."""

import json

from regard.train.state import State, state_from, step_seed


def test_a_state_survives_json():
    state = State(step=3, best=1 / 3, best_epoch=1, stale=2, loss=0.1 + 0.2, right=5, seen=7, tokens=11, seconds=1e-9)
    assert state_from(json.loads(json.dumps(state.plain()))) == state


def test_an_epochs_sums_start_at_zero_and_the_rest_stays():
    state = State(step=3, loss=1.0, right=2, seen=3, tokens=4)
    state.begin_epoch()
    assert (state.loss, state.right, state.seen) == (0.0, 0, 0)
    assert (state.step, state.tokens) == (3, 4)


def test_seeds_differ_by_seed_step_and_process():
    seeds = {step_seed(seed, step, process) for seed in range(5) for step in range(50) for process in range(4)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert step_seed(1, 2, 3) == step_seed(1, 2, 3)
