"""A small model of attention layers in float64 whose every weight is laid open, and the n x n figures made of them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class Layer(nn.Module):
    """Attention with a residual connection, nothing else; `keys` heads of keys for `heads` of queries."""

    def __init__(self, dim, heads, keys, *, causal):
        super().__init__()
        self.heads, self.keys, self.causal, self.size = heads, keys, causal, dim // heads
        self.query, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.key, self.value = (nn.Linear(dim, keys * self.size) for _ in range(2))

    def parts(self, x, memory=None):
        read = x if memory is None else memory
        cut = (self.query(x), self.key(read), self.value(read))
        return [part.unflatten(-1, (-1, self.size)).transpose(1, 2) for part in cut]

    def forward(self, x, memory=None):
        query, key, value = self.parts(x, memory)
        made = scaled_dot_product_attention(query, key, value, is_causal=self.causal, enable_gqa=True)
        return x + self.out(made.transpose(1, 2).flatten(2))

    def weights(self, x, memory=None):
        """(heads, queries, keys) by hand."""
        query, key, _ = self.parts(x, memory)
        scores = query[0] @ key[0].repeat_interleave(self.heads // self.keys, 0).mT / self.size**0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).tril() == 0, -torch.inf)
        return scores.softmax(-1)


class Layered(nn.Module):
    """ids -> embeddings -> layers -> classes, read at one place (or, for None, as the mean over places)."""

    def __init__(self, *, layers=3, dim=12, heads=3, keys=3, causal=False, place=0, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.place = place
        self.embedding = nn.Embedding(23, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, keys, causal=causal) for _ in range(layers))
        self.classes = nn.Linear(dim, 4)
        self.double()
        with torch.no_grad():
            for part in self.parameters():
                part.mul_(1.7)  # large enough that attention is not the same everywhere

    def forward(self, ids):
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x)
        return self.classes(x.mean(1) if self.place is None else x[:, self.place])

    def matrices(self, ids):
        """The weights of every layer, (heads, n, n) each."""
        x, found = self.embedding(ids), []
        for layer in self.layers:
            found.append(layer.weights(x).detach())
            x = layer(x)
        return found


def tokens(length, seed=1):
    """(1, length) ids."""
    return torch.randint(23, (1, length), generator=torch.Generator().manual_seed(seed))


def rollout(matrices, *, kept=0.5, moved=0.5):
    """(n, n) the product of the layers, each mixed with the identity: row i is what place i of the last layer got."""
    count = matrices[0].shape[-1]
    product = torch.eye(count, dtype=torch.float64)
    for weights in matrices:
        mixed = kept * torch.eye(count, dtype=torch.float64) + moved * weights.double().mean(0)
        product = mixed @ product
    return product
