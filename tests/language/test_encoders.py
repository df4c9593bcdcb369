"""Term vectors from text encoders."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.preprocessing import normalize

from skdevise import DeViSEClassifier, EncoderEmbedder, LabelSpace, LabelVocabulary
from skdevise.exceptions import LabelWithoutVectorError


class Encoder:
    """Encoder that counts the letters a, b and c, and records its batches."""

    def __init__(self):
        self.batches = []

    def __call__(self, texts):
        self.batches.append(list(texts))
        return np.array([[text.count(letter) for letter in "abc"] for text in texts])


@pytest.fixture
def encoder():
    return Encoder()


def test_vectors_are_unit_rows_of_the_encoder(encoder):
    vectors = EncoderEmbedder(encoder).transform(["aab", "abc"])
    assert vectors.dtype == np.float32
    assert_allclose(vectors, normalize([[2.0, 1, 0], [1, 1, 1]]), rtol=1e-6)


def test_each_text_is_encoded_once_in_batches(encoder):
    embedder = EncoderEmbedder(encoder, batch_size=2)
    embedder.transform(["a", "b", "a_b", "a b", "a"])
    embedder.transform(["c", "b"])
    assert encoder.batches == [["a", "b"], ["a b"], ["c"]]


def test_templates_of_a_vocabulary_are_averaged(encoder):
    # "a b" has counts (1, 1, 0) and "c b" (0, 1, 1). The mean of their units points to (1, 2, 1).
    vocabulary = LabelVocabulary(["b"], templates=["a {}", "c {}"])
    space = LabelSpace(vocabulary, EncoderEmbedder(encoder))
    assert_allclose(space.targets, normalize([[1.0, 2, 1]]), rtol=1e-6)
    assert encoder.batches == [["a b", "c b"]]


def test_a_classifier_predicts_unseen_labels(encoder):
    X = np.array([[1, 0, 0], [0, 1, 0]], dtype=float)
    clf = DeViSEClassifier(EncoderEmbedder(encoder), max_epochs=5, random_state=0)
    clf.fit(X, ["a", "b"])
    assert clf.predict(X, labels=["bbb c", "aaa c"]).tolist() == ["aaa c", "bbb c"]


def test_tensors_may_need_gradients_and_be_on_any_device(device):
    weight = torch.eye(2, dtype=torch.bfloat16, device=device, requires_grad=True)
    for wrap in (torch.clone, list):
        embedder = EncoderEmbedder(lambda texts, wrap=wrap: wrap(weight[: len(texts)]))
        assert_array_equal(embedder.transform(["a", "b"]), np.eye(2))


@pytest.mark.parametrize(
    ("output", "named"),
    [
        (np.ones((1, 2)), r"\(1, 2\)"),
        (np.ones(2), r"\(2,\)"),
        (3.0, r"\(\)"),
        (np.ones((2, 3, 4)), r"\(2, 3, 4\)"),
        (np.ones((2, 0)), r"\(2, 0\)"),
        ([[1], [1, 2]], "different lengths"),
        ([["1", "2"]] * 2, "U1"),
        ([[1j, 2]] * 2, "complex128"),
        ([[1, None]] * 2, "object"),
    ],
)
def test_the_encoder_must_return_one_row_of_numbers_for_each_text(output, named):
    with pytest.raises(ValueError, match=named):
        EncoderEmbedder(lambda texts: output).transform(["a", "b"])


def test_all_rows_must_have_the_same_length():
    embedder = EncoderEmbedder(lambda texts: np.ones((len(texts), len(texts))))
    embedder.transform(["a", "b"])
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        embedder.transform(["c"])


def test_texts_with_a_zero_vector_are_named(encoder):
    with pytest.raises(LabelWithoutVectorError, match="'xyz'"):
        EncoderEmbedder(encoder).transform(["a", "xyz"])


@pytest.mark.parametrize("params", [{"encoder": 3}, {"encoder": len, "batch_size": 0}])
def test_parameters_are_validated(params):
    with pytest.raises(ValueError, match=list(params)[-1]):
        EncoderEmbedder(**params).fit()


def test_a_clone_is_the_embedder_itself(encoder):
    embedder = EncoderEmbedder(encoder)
    assert clone(embedder) is embedder
    with pytest.raises(ValueError, match="batch_size"):
        embedder.set_params(batch_size=1)


def test_a_pickle_remembers_encoded_texts(encoder):
    embedder = EncoderEmbedder(encoder)
    embedder.transform(["a"])
    copy = pickle.loads(pickle.dumps(embedder))
    copy.transform(["a"])
    assert copy.encoder.batches == [["a"]]


@pytest.mark.parametrize("no_vector", [[np.nan, 1], [0, 0]])
def test_zeros_and_nan_are_no_vector(no_vector):
    embedder = EncoderEmbedder(lambda texts: [[3, 4] if "a" in t else no_vector for t in texts])
    assert embedder.has_vector(["a", "xyz"]).tolist() == [True, False]
    assert embedder.has_term(["a", "xyz"]).tolist() == [True, False]
    vocabulary = LabelVocabulary(["a", "xyz"], on_missing="drop")
    with pytest.warns(UserWarning, match="'xyz'"):
        assert LabelSpace(vocabulary, embedder).labels.tolist() == ["a"]


def test_has_vector_encodes_texts_once(encoder):
    embedder = EncoderEmbedder(encoder)
    assert embedder.has_vector([]).tolist() == []
    assert embedder.has_vector(["a", "b c"]).tolist() == [True, True]
    embedder.transform(["b c", "a"])
    assert encoder.batches == [["a", "b c"]]


def test_output_features_have_names(encoder):
    embedder = EncoderEmbedder(encoder)
    frame = embedder.set_output(transform="pandas").transform(["a"])
    assert frame.columns.tolist() == [f"encoderembedder{i}" for i in range(3)]


def test_no_text_gives_no_row_after_the_first_call(encoder):
    embedder = EncoderEmbedder(encoder)
    with pytest.raises(ValueError, match="size"):
        embedder.transform([])
    embedder.transform(["a"])
    assert embedder.transform([]).shape == (0, 3)
