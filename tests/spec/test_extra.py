"""What is not installed is named, with the command that installs it."""

import pytest

from regard.spec.errors import MissingExtraError
from regard.spec.extra import require


def test_what_is_there_is_fine():
    require("json", "csv")


def test_what_is_missing_is_named_with_the_command():
    with pytest.raises(MissingExtraError) as caught:
        require("json", "no_such_module", "nor_this_one")
    assert str(caught.value) == (
        "training needs no_such_module, nor_this_one, which are not installed; type: pip install 'regard[train]'"
    )
