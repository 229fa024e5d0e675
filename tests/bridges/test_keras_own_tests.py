"""Keras's own tests of its attention layers, as installed, on ours: all pass but those told of in docs/bridges.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.bridges.keras_processes import BACKENDS, run

PAGE = Path(__file__).parents[2] / "docs" / "bridges.md"
# test, without the class's name where several classes have it -> what stands in its failure
PRIVATE = {
    "AttentionTest.test_attention_calculate_scores_with_scale": "_calculate_scores",
    "AttentionTest.test_attention_calculate_score_mask_no_causal_no_vmask": "_calculate_score_mask",
    "AttentionTest.test_attention_calculate_score_mask_with_causal_no_vmask": "_calculate_score_mask",
    "AttentionTest.test_attention_calculate_score_mask_with_causal_and_vmask": "_calculate_score_mask",
}
BOTH = {
    "test_compute_attention_combines_causal_and_explicit_mask_fused_fallback": "_compute_attention",
    "test_compute_attention_combines_causal_and_explicit_mask_manual_path": "_compute_attention",
    "test_causal_only_skipped_for_subclass": "mask_is_none",
}
FLASH = {"test_flash_attention_with_errors": "flash_attention=True"}
SIZES = {"GroupedQueryAttentionTest.test_shape_mismatch_error_query_value_dim_mismatch": "subscriptable"}


def expected(backend: str) -> dict[str, str]:
    shared = BOTH if backend == "tensorflow" else {**BOTH, **FLASH}  # Keras skips the latter there
    classes = ("MultiHeadAttentionTest", "GroupedQueryAttentionTest")
    return {**PRIVATE, **SIZES, **{f"{kind}.{test}": words for kind in classes for test, words in shared.items()}}


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_they_pass_but_for_the_differences_that_are_told(backend: str) -> None:
    found = json.loads(run("keras_swapped.py", backend).splitlines()[-1])
    failed = {test: words for test, words in found.items() if words not in ("passed", "skipped")}
    differences = expected(backend)
    assert set(failed) == set(differences), failed
    assert all(differences[test] in words for test, words in failed.items()), failed
    counts = Counter(words if words in ("passed", "skipped") else "failed" for words in found.values())
    told = f"| {backend} | {len(found)} | {counts['passed']} | {counts['skipped']} | {counts['failed']} |"
    assert told in PAGE.read_text("utf-8")


def test_each_difference_is_told_of() -> None:
    page = PAGE.read_text("utf-8")
    assert [test for test in expected("jax") if f"`{test.partition('.')[2]}`" not in page] == []
