"""Layers: attention, embeddings, positions, blocks and stacks, pooling, token pruning, a cache; recurrent and
sequence-to-sequence models; front ends that turn pictures, sounds, series and events into tokens. What stands on a core
is in `regard.nn.heads`, ways to decode are in `regard.nn.decoding`."""

from regard.nn.additive import AdditiveAttention
from regard.nn.attention import MultiHeadAttention
from regard.nn.cache import BlockCache, KeyValueCache
from regard.nn.decoder import Decoder, DecoderBlock
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder, EncoderBlock
from regard.nn.feed_forward import FeedForward
from regard.nn.front_ends import (
    AudioFrontEnd,
    ConvFrontEnd,
    EventFrontEnd,
    FrontEnd,
    Hiding,
    InstanceScale,
    JoinedFrontEnd,
    LogMel,
    PatchFrontEnd,
    PictureChanges,
    SeriesFrontEnd,
    SoundChanges,
    SymbolFrontEnd,
    TextFrontEnd,
    Tokens,
    Unit,
    Units,
    calendar,
)
from regard.nn.held_spec import HeldSpec
from regard.nn.losses import Breadth, Coverage, Diagonal, Marked, attention_loss
from regard.nn.packing import pack, unpack
from regard.nn.pooling import AdditivePooling
from regard.nn.positions import LearnedPositions, SinusoidalPositions, rotate
from regard.nn.pruning import Kept, Pruning, pruned
from regard.nn.received import mass_received
from regard.nn.recurrent import BiLSTMEncoder
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder

__all__ = [
    "AdditiveAttention",
    "AdditivePooling",
    "AudioFrontEnd",
    "BiLSTMEncoder",
    "BlockCache",
    "Breadth",
    "ConvFrontEnd",
    "Coverage",
    "Decoder",
    "DecoderBlock",
    "Diagonal",
    "Encoder",
    "EncoderBlock",
    "EventFrontEnd",
    "FeedForward",
    "FrontEnd",
    "HeldSpec",
    "Hiding",
    "InstanceScale",
    "JoinedFrontEnd",
    "Kept",
    "KeyValueCache",
    "LearnedPositions",
    "LogMel",
    "Marked",
    "MultiHeadAttention",
    "PatchFrontEnd",
    "PictureChanges",
    "Pruning",
    "RecurrentDecoder",
    "SequenceToSequence",
    "SeriesFrontEnd",
    "SinusoidalPositions",
    "SoundChanges",
    "SymbolFrontEnd",
    "TextFrontEnd",
    "TokenEmbedding",
    "Tokens",
    "TransformerDecoder",
    "Unit",
    "Units",
    "attention_loss",
    "calendar",
    "mass_received",
    "pack",
    "pruned",
    "rotate",
    "unpack",
]
