import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdevise.datasets import load_caltech101_features, load_imagenet_labels, load_wordnet_nouns

CLASSES = Path(__file__).parents[3] / "shared/data/imagenet/caltech101-classes.csv"


@pytest.fixture(scope="module")
def caltech():
    return load_caltech101_features()


def test_shapes(caltech):
    assert caltech.data.shape == (3_775, 1_280)
    assert caltech.data.dtype == np.float32
    assert 0 <= caltech.data.min() and caltech.data.max() <= 6
    assert caltech.target.shape == (3_775,)
    assert caltech.frame is None
    for name in ("target_names", "synsets", "split", "strict"):
        assert caltech[name].shape == (96,)


def test_every_class_has_31_to_40_photos(caltech):
    counts = Counter(caltech.target.tolist())
    assert_array_equal(sorted(counts), caltech.target_names)
    assert min(counts.values()) == 31
    assert max(counts.values()) == 40


def test_the_split_is_34_seen_and_62_unseen_of_which_43_strictly(caltech):
    assert Counter(caltech.split.tolist()) == {"seen": 34, "unseen": 62}
    assert caltech.strict.sum() == 43
    assert (caltech.split[caltech.strict] == "unseen").all()


def test_no_sense_of_an_unseen_term_is_among_the_thousand(caltech):
    nouns = load_wordnet_nouns()
    classes = np.searchsorted(nouns.synsets, load_imagenet_labels().ilsvrc2012)
    known = {term.lower() for row in classes for term in nouns.terms[row]}
    unseen = set(caltech.target_names[caltech.split == "unseen"])
    assert unseen & known == set()


def test_terms_and_synsets_belong_together(caltech):
    nouns = load_wordnet_nouns()
    with_synset = caltech.synsets != ""
    assert with_synset.sum() == 90
    assert np.isin(caltech.synsets[with_synset], nouns.synsets).all()
    emu = caltech.target_names.searchsorted("emu")
    assert caltech.synsets[emu] == "n01519873"
    assert caltech.strict[emu]


def test_the_split_is_that_of_the_table_it_was_made_from(caltech):
    if not CLASSES.exists():
        pytest.skip(f"{CLASSES} is not part of the project.")
    with CLASSES.open(newline="") as file:
        split = {row["term"]: row["split"] for row in csv.DictReader(file)}
    assert [split[term] for term in caltech.target_names] == caltech.split.tolist()


def test_the_features_tell_the_classes_apart(caltech):
    # Nearest class mean, half of the photos for the means: far above the chance of 1 in 96.
    X = caltech.data / np.linalg.norm(caltech.data, axis=1, keepdims=True)
    y = caltech.target_names.searchsorted(caltech.target)
    train = np.arange(len(X)) % 2 == 0
    means = np.stack([X[train & (y == label)].mean(axis=0) for label in range(96)])
    assert (np.argmax(X[~train] @ means.T, axis=1) == y[~train]).mean() > 0.85


def test_pair_and_frame(caltech):
    pytest.importorskip("pandas")
    X, y = load_caltech101_features(return_X_y=True)
    assert_array_equal(X, caltech.data)
    assert_array_equal(y, caltech.target)
    X_frame, y_frame = load_caltech101_features(return_X_y=True, as_frame=True)
    assert X_frame.columns.tolist() == caltech.feature_names
    assert_array_equal(X_frame.to_numpy(), X)
    assert_array_equal(y_frame.to_numpy(), y)
    assert load_caltech101_features(as_frame=True).frame.shape == (3_775, 1_281)


def test_a_change_in_place_does_not_reach_the_next_call():
    load_caltech101_features().data[:] = 0
    assert load_caltech101_features().data.any()


def test_description_names_source_and_licence(caltech):
    assert "CC BY 4.0" in caltech.DESCR
    assert "Apache" in caltech.DESCR
