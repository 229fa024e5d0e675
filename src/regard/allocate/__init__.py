"""Spending attention in a model that is there already: the model, unchanged, on regard's kernels."""

from regard.allocate.allocate import allocate, even
from regard.allocate.allocation import Allocation
from regard.allocate.compare import compare
from regard.allocate.comparison import Comparison
from regard.allocate.eviction import Eviction
from regard.allocate.periphery import Periphery
from regard.allocate.profile import profile
from regard.allocate.profiled import Profile
from regard.allocate.use import Used, use

__all__ = [
    "Allocation",
    "Comparison",
    "Eviction",
    "Periphery",
    "Profile",
    "Used",
    "allocate",
    "compare",
    "even",
    "profile",
    "use",
]
