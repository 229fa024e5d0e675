"""Where attention goes, shown: words by weight, with evidence beside the picture."""

from regard.lens.page import page
from regard.lens.reading import LIMITS, Reading
from regard.lens.removal import RemovalCheck, removal_check
from regard.lens.words import Token, Word, heaviest, merge

__all__ = ["LIMITS", "Reading", "RemovalCheck", "Token", "Word", "heaviest", "merge", "page", "removal_check"]
