from pathlib import Path

import numpy as np

import skdevise.datasets
from skdevise._bundled import synset_ids

DATA = Path(skdevise.datasets.__file__).parent / "data"


def test_the_bundled_files_take_less_than_14_megabytes():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 14e6
    assert (DATA / "wordnet_definitions.npz").stat().st_size < 3e6


def test_every_table_has_a_source_a_licence_and_a_method():
    names = {path.name.partition(".")[0] for path in DATA.iterdir()} - {"wordnet"}
    assert names == {path.stem for path in DATA.glob("*.rst")}
    for path in DATA.glob("*.rst"):
        text = path.read_text(encoding="utf-8")
        assert ":Source:" in text and ":Licence:" in text and ":Made by:" in text, path


def test_the_licence_of_wordnet_is_complete():
    text = (DATA / "wordnet.LICENSE").read_text(encoding="ascii")
    assert text.startswith("This software and database is being provided to you")
    assert "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in text
    assert text.endswith("LICENSEE agrees to preserve same.\n")


def test_all_is_sorted_and_complete():
    assert list(skdevise.datasets.__all__) == sorted(skdevise.datasets.__all__)
    assert all(callable(getattr(skdevise.datasets, name)) for name in skdevise.datasets.__all__)


def test_synset_ids_are_padded_to_eight_digits():
    assert synset_ids(np.array([1740, 15300051])).tolist() == ["n00001740", "n15300051"]
    assert synset_ids(np.array([], dtype=int)).tolist() == []
