import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdevise.training._hold_out import hold_out_classes, hold_out_samples

labels = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(np.array)


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99))
def test_samples_held_out_leave_every_class_in_training(y, share, seed):
    counts = np.bincount(y, minlength=7)
    if counts.max() < 2:
        with pytest.raises(ValueError, match="Each class has one sample"):
            hold_out_samples(y, share, seed)
        return
    kept, held_out = hold_out_samples(y, share, seed)
    assert sorted([*kept, *held_out]) == list(range(len(y)))
    for label, count in enumerate(counts):
        n_held_out = (y[held_out] == label).sum()
        if count > 1:
            assert n_held_out == np.clip(round(share * count), 1, count - 1)
        else:
            assert n_held_out == 0


@given(labels, st.floats(0.01, 0.99), st.integers(0, 99))
def test_classes_held_out_are_not_in_training(y, share, seed):
    classes = np.unique(y)
    if len(classes) < 4:
        with pytest.raises(ValueError, match="none can be held out"):
            hold_out_classes(y, share, seed)
        return
    kept, held_out = hold_out_classes(y, share, seed)
    assert sorted([*kept, *held_out]) == list(range(len(y)))
    assert not set(y[kept]) & set(y[held_out])
    assert len(set(y[kept])) >= 2
    assert len(set(y[held_out])) == np.clip(round(share * len(classes)), 2, len(classes) - 2)
