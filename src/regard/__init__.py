"""regard: attention as a limited resource. Compute it exactly and fast, see where it goes, decide what it is worth."""

from regard.engine.attend import attend, plan
from regard.engine.plan import Plan
from regard.spec import *  # noqa: F403
from regard.spec import __all__ as _spec

__version__ = "0.1.0"
__all__ = sorted([*_spec, "Plan", "attend", "plan"])
