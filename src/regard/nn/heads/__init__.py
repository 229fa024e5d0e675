"""What stands on a core: classes of the whole or of each token, next tokens, learned queries, spans, forecasts."""

from regard.nn.heads.boxes import Boxes, FoundBoxes, Objects
from regard.nn.heads.horizon import Horizon, Quantiles, pinball
from regard.nn.heads.learned_queries import LearnedQueries, QueryBlock
from regard.nn.heads.masks import Masks, mask_loss
from regard.nn.heads.next_token import NextToken
from regard.nn.heads.overlap import generalised_iou, iou
from regard.nn.heads.per_token import TokenClasses, token_loss
from regard.nn.heads.pooled import PooledClasses
from regard.nn.heads.poolings import FirstToken, LastToken, MeanPooling
from regard.nn.heads.set_loss import SetLoss, SetLosses
from regard.nn.heads.spans import AdditivePointer, DotPointer, FoundSpans, Spans, SpanScores, best_spans, span_loss
from regard.nn.heads.steps_ahead import StepsAhead

__all__ = [
    "AdditivePointer",
    "Boxes",
    "DotPointer",
    "FirstToken",
    "FoundBoxes",
    "FoundSpans",
    "Horizon",
    "LastToken",
    "LearnedQueries",
    "Masks",
    "MeanPooling",
    "NextToken",
    "Objects",
    "PooledClasses",
    "Quantiles",
    "QueryBlock",
    "SetLoss",
    "SetLosses",
    "SpanScores",
    "Spans",
    "StepsAhead",
    "TokenClasses",
    "best_spans",
    "generalised_iou",
    "iou",
    "mask_loss",
    "pinball",
    "span_loss",
    "token_loss",
]
