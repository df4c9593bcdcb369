import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdevise.training._early_stopping import hold_out_classes, hold_out_samples

labels = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(np.array)


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99))
def test_every_class_keeps_a_sample_when_samples_are_held_out(y, fraction, seed):
    counts = np.bincount(y, minlength=7)
    if counts.max() < 2:
        with pytest.raises(ValueError, match="one sample"):
            hold_out_samples(y, fraction, seed)
        return
    kept, held_out = hold_out_samples(y, fraction, seed)
    assert sorted([*kept, *held_out]) == list(range(len(y)))
    for label, count in enumerate(counts):
        expected = np.clip(round(fraction * count), 1, count - 1) if count > 1 else 0
        assert (y[held_out] == label).sum() == expected


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99))
def test_held_out_classes_do_not_occur_in_training(y, fraction, seed):
    classes = np.unique(y)
    if len(classes) < 4:
        with pytest.raises(ValueError, match=str(len(classes))):
            hold_out_classes(y, fraction, seed)
        return
    kept, held_out = hold_out_classes(y, fraction, seed)
    assert sorted([*kept, *held_out]) == list(range(len(y)))
    assert not set(y[kept]) & set(y[held_out])
    assert len(set(y[kept])) >= 2
    n_held_out = np.clip(round(fraction * len(classes)), 2, len(classes) - 2)
    assert len(set(y[held_out])) == n_held_out
