import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal

import skdevise.datasets
from skdevise._bundled import synset_ids
from skdevise.datasets._features import pack_features, unpack_features

DATA = Path(skdevise.datasets.__file__).parent / "data"


def test_the_tables_are_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 12e6


def test_every_table_says_where_it_is_from():
    names = {path.name.partition(".")[0] for path in DATA.iterdir()} - {"wordnet"}
    assert names == {path.stem for path in DATA.glob("*.rst")}
    for path in DATA.glob("*.rst"):
        text = path.read_text(encoding="utf-8")
        assert ":Source:" in text and ":Licence:" in text and ":Made by:" in text, path


def test_wordnets_licence_is_complete():
    text = (DATA / "wordnet.LICENSE").read_text(encoding="ascii")
    assert text.startswith("This software and database is being provided to you")
    assert "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in text
    assert text.endswith("LICENSEE agrees to preserve same.\n")


def test_importing_and_loading_is_light():
    code = """if True:
        import sys
        import sklearn.utils  # Imports pandas where it is installed.
        loaded = set(sys.modules)
        from skdevise import datasets
        datasets.load_wordnet_nouns()
        datasets.make_shapes(1)
        heavy = {"torch", "torchvision", "pandas", "matplotlib", "gensim", "nltk"}
        sys.exit(", ".join(heavy & (set(sys.modules) - loaded)) or 0)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_all_is_sorted_and_complete():
    assert list(skdevise.datasets.__all__) == sorted(skdevise.datasets.__all__)
    assert all(callable(getattr(skdevise.datasets, name)) for name in skdevise.datasets.__all__)


def test_synset_ids_are_padded_to_eight_digits():
    assert synset_ids(np.array([1740, 15300051])).tolist() == ["n00001740", "n15300051"]
    assert synset_ids(np.array([], dtype=int)).tolist() == []


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, 6, width=32)))
def test_packed_features_are_right_to_half_a_step(features):
    packed = pack_features(features)
    assert packed["codes"].dtype == np.uint8
    roots = np.sqrt(unpack_features(packed))
    # A feature's roots lie between 0 and its greatest one, in 255 steps.
    half_step = np.sqrt(features.max(axis=0)) / 255 / 2
    assert (np.abs(roots - np.sqrt(features)) <= half_step * 1.001 + 1e-12).all()


def test_a_feature_that_is_always_zero_stays_zero():
    features = np.array([[0.0, 1.0], [0.0, 0.25]])
    assert_array_equal(unpack_features(pack_features(features))[:, 0], [0, 0])
    assert_allclose(unpack_features(pack_features(features))[:, 1], [1, 0.25], rtol=0.01)


@pytest.mark.parametrize("name", ["load_caltech101_features", "load_imagenet_features"])
def test_options_are_checked(name):
    with pytest.raises(ValueError, match="The 'as_frame' parameter"):
        getattr(skdevise.datasets, name)(as_frame="yes")
