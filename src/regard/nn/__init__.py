"""Layers: attention, embeddings, positions, blocks and stacks, pooling, token pruning, a recurrent encoder, a cache."""

from regard.nn.additive import AdditiveAttention
from regard.nn.attention import MultiHeadAttention
from regard.nn.cache import BlockCache, KeyValueCache
from regard.nn.decoder import Decoder, DecoderBlock
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder, EncoderBlock
from regard.nn.feed_forward import FeedForward
from regard.nn.held_spec import HeldSpec
from regard.nn.losses import Coverage, Diagonal, Evidence, Focus, attention_loss
from regard.nn.packing import pack, unpack
from regard.nn.pooling import AdditivePooling
from regard.nn.positions import LearnedPositions, SinusoidalPositions, rotate
from regard.nn.pruning import Kept, Pruning, pruned
from regard.nn.received import mass_received
from regard.nn.recurrent import BiLSTMEncoder

__all__ = [
    "AdditiveAttention",
    "AdditivePooling",
    "BiLSTMEncoder",
    "BlockCache",
    "Coverage",
    "Decoder",
    "DecoderBlock",
    "Diagonal",
    "Encoder",
    "EncoderBlock",
    "Evidence",
    "FeedForward",
    "Focus",
    "HeldSpec",
    "Kept",
    "KeyValueCache",
    "LearnedPositions",
    "MultiHeadAttention",
    "Pruning",
    "SinusoidalPositions",
    "TokenEmbedding",
    "attention_loss",
    "mass_received",
    "pack",
    "pruned",
    "rotate",
    "unpack",
]
