import pytest
import torch
from torch import nn

from regard.lens.put import Embedding
from regard.spec.errors import SpecError

IDS = torch.tensor([[2, 0, 1]])


def test_vectors_stand_in_the_place_of_the_embeddings_own():
    module = nn.Embedding(4, 2)
    vectors = torch.ones(1, 3, 2)
    with Embedding(module).replaced(IDS, vectors):
        assert torch.equal(module(IDS), vectors)
        assert torch.equal(module(IDS), module.weight[IDS])  # only the first time
    assert torch.equal(module(IDS), module.weight[IDS])


def test_what_the_embedding_adds_stays():
    """Positions (1, 1), (2, 2), (3, 3): caught vectors are without them, put ones get them."""
    module = nn.Embedding(4, 2)
    rest = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    embedding = Embedding(module, rest)
    with embedding.caught(IDS) as found:
        module(IDS)
    torch.testing.assert_close(found[0], module.weight[IDS].detach() - rest)
    with embedding.replaced(IDS, torch.zeros(1, 3, 2)):
        assert torch.equal(module(IDS)[0], rest)


def test_other_ids_are_left_alone_and_an_unasked_embedding_is_an_error():
    module = nn.Embedding(4, 2)
    with (
        pytest.raises(SpecError, match="Embedding was not asked"),
        Embedding(module).replaced(IDS, torch.ones(1, 3, 2)),
    ):
        assert torch.equal(module(IDS + 1), module.weight[IDS + 1])
    with pytest.raises(SpecError, match="pass embedding="), Embedding(module).caught(IDS):
        module(IDS[:, :2])
    assert not module._forward_hooks


def test_the_embedding_is_the_first_to_turn_the_ids_into_vectors():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.places, self.words = nn.Embedding(9, 2), nn.Embedding(4, 2)

        def forward(self, ids):
            return self.places(torch.arange(3)[None]) + self.words(ids)

    model = Model()
    assert Embedding.found(model, IDS, lambda: model(IDS)).module is model.words
    bare = nn.Linear(3, 2)
    with pytest.raises(SpecError, match="no module of Linear turns these ids"):
        Embedding.found(bare, IDS, lambda: bare(IDS.float()))
