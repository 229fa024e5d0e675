import pytest
import torch
from tests.lens.layered import Layer, Layered, rollout, tokens
from torch import nn

from regard.lens.flow import recorded
from regard.lens.question import Attention
from regard.lens.rollout import Mixing, rolled, to_units
from regard.nn import AdditivePooling
from regard.spec.errors import SpecError


def flow_of(model, ids, readout=None):
    return recorded(Attention(model, lambda: model(ids)[:, 1], torch.arange(ids.shape[1]), readout))


def at(place, length):
    shares = torch.zeros(length)
    shares[place] = 1.0
    return shares


@pytest.mark.parametrize("length", [1, 2, 5, 67, 131, 1030])
@pytest.mark.parametrize(("heads", "keys", "causal"), [(3, 3, False), (4, 2, True), (3, 1, True)])
def test_one_row_of_the_product_of_all_layers(length, heads, keys, causal):
    place = length // 2
    model = Layered(heads=heads, keys=keys, causal=causal, place=place)
    ids = tokens(length)
    expected = rollout(model.matrices(ids))[place]
    found = rolled(flow_of(model, ids, at(place, length)))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert float(found.sum()) == pytest.approx(1.0)


def test_another_mixing_is_another_product():
    model, ids = Layered(place=3), tokens(7)
    found = rolled(flow_of(model, ids, at(3, 7)), mixing=Mixing(kept=1.0, moved=1.0))
    expected = rollout(model.matrices(ids), kept=1.0, moved=1.0)[3]
    torch.testing.assert_close(found, expected)
    assert float(found.sum()) == pytest.approx(8.0)  # (1 + 1) for each of three layers
    with pytest.raises(SpecError, match="moved > 0"):
        Mixing(moved=0.0)


@pytest.mark.parametrize(("place", "expected"), [(4, at(4, 9)), (None, torch.full((9,), 1 / 9))])
def test_where_the_answer_is_read_is_found_by_its_gradient(place, expected):
    """The class is read at place 4, or of the mean: so much of the gradient reaches each place of the last layer."""
    flow = flow_of(Layered(place=place), tokens(9))
    torch.testing.assert_close(flow.readout, expected.double())
    assert "gradient reaches" in flow.found


def test_the_way_back_through_two_layers_by_hand():
    """Two tokens; every score is 0, so that each layer's weights are .5 .5. From place 0: one layer gives
    .5 (1, 0) + .5 (.5, .5) = (.75, .25); the next .5 (.75, .25) + .5 (.5, .5) = (.625, .375)."""
    model = Layered(layers=2, heads=1, keys=1)
    for layer in model.layers:
        nn.init.zeros_(layer.query.weight)
        nn.init.zeros_(layer.query.bias)
    found = rolled(flow_of(model, tokens(2), at(0, 2)))
    assert found.tolist() == pytest.approx([0.625, 0.375])


class Pooled(nn.Module):
    """One attention layer, then additive pooling: its query is no token."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.embedding, self.layer = nn.Embedding(23, 6), Layer(6, 2, 2, causal=False)
        self.pooling, self.classes = AdditivePooling(6), nn.Linear(6, 3)
        self.double()

    def forward(self, ids):
        x = self.layer(self.embedding(ids))
        return self.classes(self.pooling(x, torch.tensor([ids.shape[1]]))[0])


def test_a_pooling_hands_its_weights_to_the_layers_below():
    model, ids = Pooled(), tokens(11)
    x = model.embedding(ids)
    weights = model.pooling(model.layer(x), torch.tensor([11]))[1][0].detach()
    expected = 0.5 * weights + 0.5 * weights @ model.layer.weights(x).mean(0).detach()
    flow = flow_of(model, ids)
    assert flow.found == "the pooling's queries"
    torch.testing.assert_close(rolled(flow), expected, rtol=1e-6, atol=1e-8)


class Pair(nn.Module):
    """An encoder's layer, and a decoder's two: self-attention, then cross-attention to what the encoder gives."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(6)
        self.embedding = nn.Embedding(23, 8)
        self.encoder = nn.ModuleList([Layer(8, 2, 2, causal=False)])
        self.decoder = nn.ModuleList(
            nn.ModuleDict({"own": Layer(8, 2, 2, causal=True), "cross": Layer(8, 2, 1, causal=False)}) for _ in range(2)
        )
        self.classes = nn.Linear(8, 3)
        self.double()

    def forward(self, ids):
        memory, x = self.encoder[0](self.embedding(ids)), self.embedding(ids[:, :4])
        for layer in self.decoder:
            x = layer["cross"](layer["own"](x), memory)
        return self.classes(x[:, -1])

    def matrices(self, ids):
        """Mean weights over heads: of the encoder, and of each decoder layer its own and across."""
        first = self.embedding(ids)
        memory, x, found = self.encoder[0](first), self.embedding(ids[:, :4]), []
        for layer in self.decoder:
            own, x = layer["own"].weights(x).mean(0), layer["own"](x)
            found.append((own.detach(), layer["cross"].weights(x, memory).mean(0).detach()))
            x = layer["cross"](x, memory)
        return self.encoder[0].weights(first).mean(0).detach(), found


def test_cross_attention_leads_from_the_decoder_to_the_encoder():
    """From place 3 of the decoder: half of it crosses over, half stays, goes through self-attention, and half of that
    crosses over in the layer below; what has crossed goes through the encoder."""
    model, ids = Pair(), tokens(7)
    encoder, ((_, below), (own, above)) = model.matrices(ids)
    stayed = 0.5 * at(3, 4).double()
    crossed = 0.5 * above[3] + 0.5 * (0.5 * stayed + 0.5 * stayed @ own) @ below
    expected = 0.5 * crossed + 0.5 * crossed @ encoder
    flow = recorded(Attention(model, lambda: model(ids)[:, 0], torch.arange(7), at(3, 4)))
    sides = [("read", "read"), *[("asked", "asked"), ("asked", "read")] * 2]
    assert [(call.queries, call.keys) for call in flow.calls] == sides
    found = rolled(flow)
    torch.testing.assert_close(found, expected)
    assert float(found.sum()) == pytest.approx(0.75)


def test_tokens_add_up_to_units_and_what_belongs_to_none_is_left_out():
    found = to_units(torch.tensor([0.5, 0.125, 0.25, 0.125]), torch.tensor([-1, 0, 1, 0]), 3)
    assert found.tolist() == [0.25, 0.25, 0.0]
