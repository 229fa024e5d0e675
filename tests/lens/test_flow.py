import pytest
import torch
from tests.lens.layered import Layered, rollout, tokens
from torch import nn

from regard.lens.flow import LONG, places, recorded
from regard.lens.question import Attention
from regard.lens.rollout import rolled
from regard.spec.errors import ShapeError, SpecError


def asked(model, ids, **more):
    return Attention(model, lambda: model(ids)[:, 1], torch.arange(ids.shape[1]), **more)


def test_calls_come_in_order_by_name_and_detached():
    model, ids = Layered(layers=2), tokens(5)
    flow = recorded(asked(model, ids))
    assert [call.name for call in flow.calls] == ["layers.0", "layers.1"]
    assert not any(call.request.query.requires_grad or call.request.key.requires_grad for call in flow.calls)
    assert [call.gradient for call in flow.calls] == [None, None]


def test_gradients_are_those_of_each_heads_output():
    """Held against autograd: the output of every layer's heads, made a leaf by hand."""
    model, ids = Layered(layers=2, heads=4, keys=2), tokens(6)
    flow = recorded(asked(model, ids), gradients=True)
    x = model.embedding(ids)
    outs = []
    for layer in model.layers:
        query, key, value = layer.parts(x)
        made = nn.functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
        outs.append(made)
        x = x + layer.out(made.transpose(1, 2).flatten(2))
    grads = torch.autograd.grad(model.classes(x[:, 0])[:, 1].sum(), outs)
    for call, grad in zip(flow.calls, grads, strict=True):
        torch.testing.assert_close(call.gradient, grad)


def test_torchs_own_layers_are_followed_on_their_slow_path_with_gradients():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    model = nn.Sequential(nn.Embedding(23, 8), nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(40, 3)).eval()
    flow = recorded(asked(model, tokens(5)), gradients=True)
    assert len(flow.calls) == 2
    assert all(call.gradient.shape == (1, 2, 5, 4) for call in flow.calls)
    assert all(float(call.gradient.abs().sum()) > 0 for call in flow.calls)


def test_a_model_with_nothing_to_train_has_gradients_too():
    model, ids = Layered(), tokens(5)
    expected = [call.gradient for call in recorded(asked(model, ids), gradients=True).calls]
    found = recorded(asked(model.requires_grad_(False), ids), gradients=True)
    for one, other in zip(found.calls, expected, strict=True):
        torch.testing.assert_close(one.gradient, other)


def test_the_projection_is_the_linear_layer_that_follows():
    model = Layered(layers=2, heads=3)
    flow = recorded(asked(model, tokens(4)), values=True)
    for call, layer in zip(flow.calls, model.layers, strict=True):
        torch.testing.assert_close(call.projection, layer.out.weight.mT.reshape(3, 4, 12))


def test_torchs_multi_head_attention_projects_inside_its_call():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.attention = nn.Embedding(23, 6), nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, ids):
            x = self.embedding(ids)
            return self.attention(x, x, x)[0].mean(1)

    torch.manual_seed(0)
    model = Model()
    (call,) = recorded(asked(model, tokens(4)), values=True).calls
    torch.testing.assert_close(call.projection, model.attention.out_proj.weight.mT.reshape(2, 3, 6))


def test_long_sequences_are_answered_in_linear_memory():
    """From 4,096 tokens on the model's calls are answered by a kernel of linear memory: the same but for rounding."""
    length = LONG + 3
    model, ids = Layered(layers=2, dim=4, heads=1, keys=1, causal=True, place=-1), tokens(length)
    last = torch.zeros(length)
    last[-1] = 1.0
    found = rolled(recorded(asked(model, ids, readout=last)))
    torch.testing.assert_close(found, rollout(model.matrices(ids))[-1], rtol=1e-6, atol=1e-9)


class Beside(nn.Module):
    """Attends once for whoever looks, and answers without it."""

    def __init__(self):
        super().__init__()
        self.whole = Layered(layers=1)

    def forward(self, ids):
        x = self.whole.embedding(ids)
        self.whole.layers[0](x)
        return self.whole.classes(x[:, 0])


def test_attention_that_the_answer_does_not_pass_through_has_no_gradient():
    with pytest.raises(SpecError, match=r"does not pass through what whole.layers.0"):
        recorded(asked(Beside(), tokens(4)), gradients=True)


class Dropping(nn.Module):
    """Its second layer sees every other token."""

    def __init__(self):
        super().__init__()
        self.whole = Layered(layers=2)

    def forward(self, ids):
        x = self.whole.layers[0](self.whole.embedding(ids))[:, ::2]
        return self.whole.classes(self.whole.layers[1](x)[:, 0])


def test_what_cannot_be_followed_is_said():
    with pytest.raises(SpecError, match=r"attends to 3 places, and the input has 6.*dropped"):
        recorded(asked(Dropping(), tokens(6)))
    plain = nn.Sequential(nn.Embedding(23, 2), nn.Flatten(), nn.Linear(6, 2))
    with pytest.raises(SpecError, match=r"no attention was seen in Sequential.*occlusion"):
        recorded(asked(plain, tokens(3)))
    with pytest.raises(ShapeError, match=r"readout of 2 places, but layers.2 has 5"):
        recorded(asked(Layered(), tokens(5), readout=torch.tensor([0.5, 0.5])))


class Windows(nn.Module):
    """Two windows folded into the batch."""

    def __init__(self):
        super().__init__()
        self.whole = Layered(layers=1)

    def forward(self, ids):
        x = self.whole.embedding(ids).reshape(2, -1, 12)
        return self.whole.classes(self.whole.layers[0](x).reshape(1, -1, 12)[:, 0])


def test_windows_in_the_batch_are_refused():
    with pytest.raises(SpecError, match="batch of 2"):
        recorded(asked(Windows(), tokens(6)))
    ids = tokens(6)
    assert places(Layered(), lambda: None) is None
    model, windows = Layered(), Windows()
    assert places(model, lambda: model(ids)) == 6
    assert places(windows, lambda: windows(ids)) is None


def test_an_answer_that_no_attention_leads_to_has_none():
    model, ids = Layered(), tokens(4)
    bare = Attention(model, lambda: model(ids)[:, 0] * 0, torch.arange(4))
    with pytest.raises(SpecError, match=r"does not depend on what layers.2 gives"):
        recorded(bare)
