"""What evidence says of a probability before and after units are taken away: a small run may not be moved as far as the
figures show, and is then said to be left where it is."""

import re


def moved(told: str, label: str) -> tuple[str, str]:
    """(before, after) of the probability of `label`, as shown."""
    found = re.search(
        rf"(?:(?:lowers|raises) the probability of {label!r} from (\S+) to|leaves the probability of {label!r} at) "
        r"(\d\.\d+)",
        told,
    )
    assert found, told
    return found[1] or found[2], found[2]
