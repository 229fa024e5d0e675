"""What is to be written, padded by hand."""

import numpy as np
import torch

from regard.tasks.pair_part import EDGE_ID
from regard.tasks.written_part import WrittenPart, edged


def part():
    symbols = [np.array([5, 6, 7], dtype=np.int32), np.array([8], dtype=np.int32), np.array([], dtype=np.int32)]
    return WrittenPart(
        read=np.array([10, 4, 6]),
        given=lambda rows: (torch.from_numpy(rows) * 10,),
        targets=symbols,
        truths=["abc", "d", ""],
    )


def test_inputs_begin_with_the_edge_and_targets_end_with_it():
    inputs, targets, written = edged([[5, 6], [7]])
    assert inputs.tolist() == [[EDGE_ID, 5, 6], [EDGE_ID, 7, 0]]
    assert targets.tolist() == [[5, 6, EDGE_ID], [7, EDGE_ID, 0]]
    assert written.tolist() == [3, 2]


def test_a_row_is_as_long_as_what_is_read_and_written():
    assert part().lengths.tolist() == [14, 6, 7]
    assert len(part()) == 3


def test_a_batch_counts_what_it_holds_with_and_without_padding():
    batch = part().batch(np.array([2, 0]))
    assert len(batch) == 2
    assert batch.given[0].tolist() == [20, 0]
    assert batch.scored.tolist() == [[True, False, False, False], [True] * 4]
    assert batch.tokens == 6 + 10 + 1 + 4
    assert batch.places == 2 * 10 + 2 * 4
    assert torch.equal(batch.to(torch.device("cpu")).targets, batch.targets)
