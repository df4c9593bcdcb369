import pickle

import numpy as np
import pytest

from skdevise import DeViSEClassifier, datasets


@pytest.mark.parametrize("is_pickled", [False, True])
def test_the_second_training_remembers_the_classes_of_earlier_calls(is_pickled):
    data, embedder = datasets.load_caltech101_features(), datasets.load_term_vectors().embedder
    classes = data.target_names[embedder.has_vector(data.target_names)][:25]
    is_old, is_new = np.isin(data.target, classes[:20]), np.isin(data.target, classes[20:])
    clf = DeViSEClassifier(embedder, max_epochs=10, random_state=0)
    clf.fit(data.data[is_old], data.target[is_old])
    clf = pickle.loads(pickle.dumps(clf)) if is_pickled else clf
    for _ in range(3):
        clf.partial_fit(data.data[is_new], data.target[is_new])
    kept = np.array([label for label in classes if not clf._held_out[label]])
    rows = np.isin(data.target, kept) & is_old
    points = clf._project(clf._scale(data.data[rows]), clf._second.net.projection)
    answers = kept[(points @ embedder.transform(kept).T).argmax(axis=1)]
    assert np.mean(answers == data.target[rows]) > 0.85
