"""`use` on plain torch models: their own output to rounding, from regard's kernels; what is not taken over is told."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from tests.engine.plain_models import Attention, Model, untouched, x
from torch import Tensor, nn
from torch.nn import functional as F

import regard
from regard.allocate import used as module_used
from regard.allocate.used import OWN
from regard.engine import seam_exact
from regard.nn import MultiHeadAttention
from regard.spec import SpecError

CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def both(model: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
    """(the model's own output, the one in use, what was used)."""
    alone = model(*args, **kwargs)
    with regard.use(model) as used:
        out = model(*args, **kwargs)
    return alone, out, used


class Asking(nn.Module):
    """Calls torch's function with whatever it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return F.scaled_dot_product_attention(*args, **kwargs)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


SHAPES = [((5, 8), (6, 8)), ((2, 5, 8), (2, 6, 8)), ((2, 3, 5, 8), (2, 3, 6, 8)), ((2, 1, 3, 5, 8), (2, 4, 1, 6, 8))]


@pytest.mark.parametrize("masked", ["none", "bool", "float", "causal"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_torchs_function_in_its_callers_shape(shapes: tuple[tuple[int, ...], tuple[int, ...]], masked: str) -> None:
    q, k, v = drawn(*shapes[0]), drawn(*shapes[1], seed=1), drawn(*shapes[1], seed=2)
    given: dict[str, Any] = {
        "bool": {"attn_mask": drawn(5, 6, seed=3) > -0.5},
        "float": {"attn_mask": drawn(5, 6)},
    }.get(masked, {"is_causal": masked == "causal"})
    alone, out, used = both(Asking(), q, k, v, **given)
    torch.testing.assert_close(out, alone, **CLOSE)
    assert used.calls["Asking"].total() == 1
    assert OWN not in used.calls["Asking"]
    assert not used.kept


def test_grouped_heads_and_a_value_size_of_its_own() -> None:
    q, k, v = drawn(2, 4, 5, 8), drawn(2, 2, 6, 8, seed=1), drawn(2, 2, 6, 3, seed=2)
    alone, out, used = both(Asking(), q, k, v, enable_gqa=True, scale=0.3)
    torch.testing.assert_close(out, alone, **CLOSE)
    assert not used.kept


def test_what_comes_is_what_regard_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a kernel that answers 7 everywhere the model gets nothing else."""

    class Sevens:
        name = "sevens"

        @staticmethod
        def run(asked: Any) -> tuple[Tensor, None]:
            return torch.full(asked.output_shape, 7.0), None

    monkeypatch.setattr(seam_exact, "choose", lambda asked, kernel: Sevens)
    model = Attention()
    _, out, used = both(model, x())
    torch.testing.assert_close(out, model.out(torch.full((2, 5, 8), 7.0)))
    assert used.calls == {"Attention": {"sevens": 1}}


class ByTimm(nn.Module):
    """Attention as image models write it: one projection, torch's function, a reshape."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj, self.heads = nn.Linear(12, 36), nn.Linear(12, 12), 3

    def forward(self, x: Tensor) -> Tensor:
        batch, length, size = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=0.5 if self.training else 0.0)
        return self.proj(x.transpose(1, 2).reshape(batch, length, size))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attn, self.mlp = nn.LayerNorm(12), ByTimm(), nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm(x))
        return x + self.mlp(x)


def test_an_image_model_in_three_calls_the_last_of_which_looks_less() -> None:
    model = nn.Sequential(Block(), Block()).eval()
    with torch.no_grad():
        alone = model(drawn(2, 10, 12))
        with regard.use(model) as used:
            outs = [model(drawn(2, 10, 12)) for _ in range(3)]
    for out in outs:
        torch.testing.assert_close(out, alone, **CLOSE)
    assert {path: counts.total() for path, counts in used.calls.items()} == {"0.attn": 3, "1.attn": 3}
    assert not used.unseen
    assert untouched(model)


def test_gradients_are_the_models_own() -> None:
    model, same = Model(), Model()
    same.load_state_dict(model.state_dict())
    same(x()).square().sum().backward()
    with regard.use(model):
        model(x()).square().sum().backward()
    for mine, theirs in zip(model.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, **CLOSE)


def test_a_mask_that_is_trained_gets_its_gradient_each_time() -> None:
    q, mask = drawn(1, 2, 5, 8), drawn(5, 5, seed=4).requires_grad_()
    F.scaled_dot_product_attention(q, q, q, mask).square().sum().backward()
    alone, mask.grad = mask.grad, None
    model = Asking()
    with regard.use(model):
        for _ in range(2):  # the second call has a graph of its own
            mask.grad = None
            model(q, q, q, mask).square().sum().backward()
    torch.testing.assert_close(mask.grad, alone, **CLOSE)


def test_dropout_drops_in_training_and_not_else() -> None:
    model = ByTimm().train()
    with regard.use(model):
        torch.manual_seed(1)
        first, second = model(drawn(2, 10, 12)), model(drawn(2, 10, 12))
        model.eval()
        assert torch.equal(model(drawn(2, 10, 12)), model(drawn(2, 10, 12)))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types(dtype: torch.dtype) -> None:
    """To the dtype's own rounding: 3e-2 of the largest."""
    q = drawn(2, 3, 40, 8).to(dtype)
    alone, out, _ = both(Asking(), q, q, q, is_causal=True)
    assert out.dtype == dtype
    assert float((out - alone).abs().max()) <= 3e-2 * float(alone.abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_autocast_decides_the_dtype_of_a_bare_call(dtype: torch.dtype) -> None:
    q = drawn(1, 2, 5, 8).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        alone, out, _ = both(Asking(), q, q, q, is_causal=True)
    assert out.dtype == alone.dtype
    torch.testing.assert_close(out, alone, rtol=3e-2, atol=3e-2)


def test_a_mask_over_other_sizes_is_cut_anew() -> None:
    """The same value over 6 keys and over 4: the last query sits on the last of them."""
    used, mask = module_used.Used("M"), regard.Window(1, 0)
    for length in (6, 4):
        q, k = drawn(1, 1, 1, 8), drawn(1, 1, length, 8)
        done = used._reduced(regard.request(q, k, k, mask=mask))
        assert torch.equal(done.key, k[:, :, -2:])


def test_under_autocast_the_dtype_is_autocasts() -> None:
    model = Attention()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        alone, out, used = both(model, x())
    assert out.dtype == alone.dtype == torch.bfloat16
    assert not used.kept
    torch.testing.assert_close(out, alone, rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_torchs_layer_is_taken_over_with_its_output_projection(batch_first: bool, batched: bool) -> None:
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first, add_bias_kv=True, add_zero_attn=True).eval()
    given = x() if batched else x()[0]
    with torch.no_grad():
        alone, out, used = both(layer, given, given, given, need_weights=False)
    torch.testing.assert_close(out[0], alone[0], **CLOSE)
    assert out[1] is None
    assert not used.kept


def test_torchs_functional_form() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.MultiheadAttention(8, 2)

        def forward(self, x: Tensor, wanted: bool) -> Any:
            held = self.inner
            return F.multi_head_attention_forward(
                *(x, x, x, 8, 2, held.in_proj_weight, held.in_proj_bias, None, None, False, 0.0),
                *(held.out_proj.weight, held.out_proj.bias),
                need_weights=wanted,
            )

    model = Functional()
    for given in (x().transpose(0, 1), x()[0]):
        alone, out, used = both(model, given, False)
        torch.testing.assert_close(out[0], alone[0], **CLOSE)
        assert OWN not in used.calls["Functional"]
    alone, out, used = both(model, x().transpose(0, 1), True)
    assert torch.equal(out[1], alone[1])
    assert "need_weights" in used.kept["Functional"]


def test_a_layer_that_is_asked_for_its_weights_keeps_its_own_computation() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    alone, out, used = both(layer, x(), x(), x())
    assert torch.allclose(out[1], alone[1])
    assert used.calls == {"MultiheadAttention": {OWN: 1}}
    assert "need_weights=False" in used.kept["MultiheadAttention"]


@pytest.mark.parametrize("masked", ["none", "padding", "causal"])
def test_torchs_encoder_leaves_its_fast_path(masked: str) -> None:
    torch.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    given: dict[str, Any] = {
        "none": {},
        "padding": {"src_key_padding_mask": padding},
        "causal": {"mask": nn.Transformer.generate_square_subsequent_mask(5), "is_causal": True},
    }[masked]
    with torch.no_grad():
        alone, out, used = both(model.eval(), x(), **given)
    real = ~padding if masked == "padding" else torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(out[real], alone[real], **CLOSE)
    assert list(used.calls) == ["layers.0.self_attn", "layers.1.self_attn"]
    assert not used.kept
    assert not used.unseen


def test_rows_that_are_all_padding_are_zero() -> None:
    q, mask = drawn(1, 1, 2, 4), torch.tensor([[True, True], [False, False]])
    out = both(Asking(), q, q, q, mask)[1]
    assert torch.equal(out[0, 0, 1], torch.zeros(4))


class Own(nn.Module):
    """Does its own arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.query(x) @ self.key(x).mT, -1) @ self.value(x)


def test_attention_that_cannot_be_seen_is_told() -> None:
    alone, out, used = both(nn.Sequential(Attention(), Own()), x())
    torch.testing.assert_close(alone, out, **CLOSE)
    assert list(used.calls) == ["0"]
    assert list(used.unseen) == ["1"]
    assert "unseen  *: computes its scores itself" in str(used)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_call_that_cannot_be_read_runs_as_ever_and_is_kept() -> None:
    class Nested(nn.Module):
        def forward(self, q: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(q, q, q)

    parts = torch.nested.nested_tensor([drawn(2, 3, 8), drawn(2, 5, 8)])
    alone, out, used = both(Nested(), parts)
    assert all(torch.equal(*pair) for pair in zip(alone.unbind(), out.unbind(), strict=True))
    assert "nested" in used.kept["Nested"]
    assert not used.unseen
    assert "nested" in str(used)


def test_a_call_that_no_kernel_can_do_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from regard.spec import KernelError

    def none(asked: Any, kernel: Any) -> Any:
        raise KernelError("no kernel\n  can do this")

    monkeypatch.setattr(seam_exact, "choose", none)
    alone, out, used = both(Model(), x())
    assert torch.equal(alone, out)
    assert used.kept == dict.fromkeys(("blocks.0", "blocks.1"), "no kernel can do this")
    assert "kept    blocks.*: no kernel can do this" in str(used)
    assert "0 of 2 attention calls taken over" in str(used)


def test_before_anything_ran_nothing_is_told() -> None:
    empty = module_used.Used("M")
    assert (empty.kept, empty.unseen, empty.written, empty.calls) == ({}, {}, {}, {})


def test_regards_own_calls_are_left_alone() -> None:
    model = MultiHeadAttention(8, 2)
    alone, out, used = both(model, x(), mask=regard.Causal())
    assert torch.equal(alone, out)
    assert "regard.attend itself" in used.kept["MultiHeadAttention"]


def test_the_table_says_what_happened() -> None:
    used = both(Model(), x())[2]
    (kernel,) = used.calls["blocks.0"]
    assert str(used).splitlines() == ["Model: 2 of 2 attention calls taken over", f"  blocks.*    2 x  {kernel} 1"]
    with regard.use(Model()) as idle:
        pass
    assert "no attention was reached: call the model in the block" in str(idle)


def test_a_model_that_was_called_in_vain_is_told_so() -> None:
    without = both(nn.Linear(8, 8), x())[2]
    assert str(without) == "Linear: the model was called, but has no attention that can be reached"
    unseen = str(both(Own(), x())[2]).splitlines()
    assert unseen[0] == "Own: the model was called, and none of its attention could be reached"
    assert unseen[1].startswith("unseen  Own: ")


def test_nothing_stays_behind_also_after_an_exception() -> None:
    model = Model()
    model.boom = True
    with pytest.raises(RuntimeError, match="boom"), regard.use(model):
        model(x())
    assert untouched(model)


def test_use_nests_with_nothing() -> None:
    told = "watched in this thread already, or used"
    with regard.use(Model()), pytest.raises(SpecError, match=told), regard.use(Model()):
        pass
    with regard.watch(Model()), pytest.raises(SpecError, match=told), regard.use(Model()):
        pass


def test_a_compiled_model_is_refused_with_what_to_do() -> None:
    compiled = torch.compile(Model(), backend="eager")
    with pytest.raises(SpecError, match=r"compiled \(torch\.compile\).*_orig_mod"), regard.use(compiled):
        pass
    alone, out, used = both(compiled._orig_mod, x())
    torch.testing.assert_close(alone, out, **CLOSE)
    assert used.calls


@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")
def test_a_model_compiled_in_the_block_is_refused_too() -> None:
    model = Model()
    compiled = torch.compile(model, backend="eager")
    with regard.use(model), pytest.raises(SpecError, match="called by compiled code"):
        compiled(x())
    assert untouched(model)


def test_a_function_compiled_inside_the_model_goes_on_working() -> None:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self._run = Attention(), torch.compile(lambda x: x * 2, backend="eager")

        def forward(self, x: Tensor) -> Tensor:
            return self._run(self.attention(self._run(x)))

    with torch.no_grad():
        alone, out, used = both(Inside(), x())
    torch.testing.assert_close(alone, out, **CLOSE)
    assert list(used.calls) == ["attention"]


def test_other_threads_run_as_ever() -> None:
    model, found = Model(), {}
    alone = model(x())

    def run() -> None:
        found["out"] = model(x())

    with regard.use(model) as used:
        worker = threading.Thread(target=run)
        worker.start()
        worker.join()
        assert not used.calls
        model(x())
    torch.testing.assert_close(found["out"], alone, **CLOSE)
    assert used.calls


def test_two_threads_use_one_model_at_once() -> None:
    model, found, together = Model(), [], threading.Barrier(2)

    def run() -> None:
        with regard.use(model) as used:
            together.wait()
            for _ in range(5):
                model(x())
            together.wait()
        found.append({path: counts.total() for path, counts in used.calls.items()})

    workers = [threading.Thread(target=run) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [{"blocks.0": 5, "blocks.1": 5}] * 2
    assert untouched(model)
