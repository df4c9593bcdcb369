import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import EncoderEmbedder, LabelSpace, LabelVocabulary, NearestLabelClassifier
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.models import predict_top_k

# Points of the plane at 5 and 85 degrees. The `plane` has "cat" at 0, "lynx" at 10, "truck" at 90.
X = 7 * np.column_stack([np.cos(np.deg2rad([5.5, 85])), np.sin(np.deg2rad([5.5, 85]))])
LABELS = ["truck", "cat", "lynx"]


def test_it_predicts_the_nearest_label_before_any_fit(plane):
    clf = NearestLabelClassifier(plane)
    cosines = np.cos(np.deg2rad([[84.5, 5.5, 4.5], [5, 85, 75]]))
    assert clf.predict(X, LABELS).tolist() == ["lynx", "truck"]
    assert_allclose(clf.decision_function(X, LABELS), cosines, atol=1e-6)
    assert_allclose(clf.predict_proba(X, LABELS), softmax(100 * cosines, axis=1), atol=1e-4)
    assert_allclose(np.exp(clf.predict_log_proba(X, LABELS)), clf.predict_proba(X, LABELS))
    assert clf.predict_top_k(X, 2, LABELS).tolist() == [["lynx", "cat"], ["truck", "lynx"]]
    assert clf.score(X, ["lynx", "cat"], labels=LABELS) == 0.5
    assert_allclose(clf.transform(X), X / 7)


def test_candidates_come_from_the_constructor_or_as_a_label_space(plane):
    clf = NearestLabelClassifier(plane, labels={"pet": ["cat"], "lorry": ["truck", "lorry"]})
    assert clf.predict(X).tolist() == ["pet", "lorry"]
    assert clf.decision_function(X).shape == (2, 2)
    space = LabelSpace(LABELS, plane)
    assert clf.predict(X, space).tolist() == ["lynx", "truck"]


def test_answers_can_be_rejected_before_any_fit(plane):
    clf = NearestLabelClassifier(plane, temperature=0.1, reject_below=0.9)
    assert clf.predict(X, LABELS).tolist() == ["unknown", "truck"]


def test_it_works_unfitted_in_a_pipeline_with_a_text_encoder():
    def encode(texts):
        return np.array([[text.count("a"), text.count("o")] for text in texts])

    embedder = EncoderEmbedder(encode)
    pipe = make_pipeline(FunctionTransformer(), NearestLabelClassifier(embedder))
    vocabulary = LabelVocabulary(["cat", "dog"], templates=["a photo of a {}"])
    assert pipe.predict([[4, 1], [1, 2]], labels=vocabulary).tolist() == ["cat", "dog"]
    assert predict_top_k(pipe, [[1, 0]], k=1, labels=["dog", "cat"]).tolist() == [["cat"]]


def test_a_fit_sets_classes_and_fits_temperatures_only(plane):
    rng = np.random.default_rng(0)
    y = np.tile(["cat", "truck", "lynx", "lorry"], 25)
    samples = plane.transform(y) + rng.normal(0, 0.2, (100, 2))
    clf = NearestLabelClassifier(plane)
    before = clf.decision_function(samples, LABELS)
    clf.fit(samples, y)
    assert clf.classes_.tolist() == ["cat", "lorry", "lynx", "truck"]
    assert_array_equal(clf.decision_function(samples, LABELS), before)
    assert clf.temperature_ > 0.01  # the samples are noisy
    assert clf.n_features_in_ == 2
    proba = clf.predict_proba(samples)
    assert_allclose(proba, softmax(clf.decision_function(samples) / clf.temperature_, axis=1))


def test_without_candidates_or_an_embedder_it_asks_for_them(plane):
    with pytest.raises(NotFittedError, match="candidate labels"):
        NearestLabelClassifier(plane).predict(X)
    with pytest.raises(NotFittedError, match="embedder"):
        NearestLabelClassifier().predict(X, LABELS)
    with pytest.raises(NotFittedError, match="csls"):
        NearestLabelClassifier(plane, hubness="csls").predict(X, LABELS)
    with pytest.raises(LabelWithoutVectorError, match="yak"):
        NearestLabelClassifier(plane).predict(X, ["cat", "yak"])
    with pytest.raises(ValueError, match="temperature"):
        NearestLabelClassifier(plane, temperature=0).predict(X, LABELS)


def test_features_of_another_size_are_refused(plane):
    with pytest.raises(ValueError, match="3 features.*size 2"):
        NearestLabelClassifier(plane).fit(np.eye(3), ["cat", "truck", "lynx"])
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        NearestLabelClassifier(plane).predict(np.eye(3), LABELS)
    with pytest.raises(ValueError, match="VisualFeaturizer"):
        NearestLabelClassifier(plane).predict(["cat.jpg"], LABELS)
