"""Words and their parts of speech out of the Brown corpus."""

import json

from tests.tasks.package_files import tarball

from regard.tasks.event import unheard
from regard.tasks.sources.tagged_words import brown


def test_a_line_is_a_sentence_and_a_sample_a_group(tmp_path):
    inside = {
        "package/ca01": "\n\n\tThe/at Fulton/np-tl Jury/nn-tl-hl ran/vbd ./.\n\n\n\t1/2/cd --/--\n",
        "package/README": "BROWN/x CORPUS/x",
        "package/cr09": "It's/pps+bez fw/fw-in\n",
    }
    brown([tarball(tmp_path / "brown.tgz", inside)], tmp_path / "brown.jsonl", unheard)
    rows = [json.loads(line) for line in (tmp_path / "brown.jsonl").read_text("utf-8").splitlines()]
    assert rows == [
        {"tokens": ["The", "Fulton", "Jury", "ran", "."], "tags": ["at", "np", "nn", "vbd", "."], "group": "ca01"},
        {"tokens": ["1/2", "--"], "tags": ["cd", "--"], "group": "ca01"},
        {"tokens": ["It's", "fw"], "tags": ["pps+bez", "fw-in"], "group": "cr09"},
    ]
