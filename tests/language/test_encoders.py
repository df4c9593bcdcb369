import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.preprocessing import normalize

from skdevise import DeViSEClassifier, LabelVocabulary
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels import LabelSpace
from skdevise.language import EncoderEmbedder


class Encoder:
    """Counts letters a, b and c, and remembers what it was asked."""

    def __init__(self):
        self.batches = []

    def __call__(self, texts):
        self.batches.append(list(texts))
        return np.array([[text.count(letter) for letter in "abc"] for text in texts])


@pytest.fixture
def encoder():
    return Encoder()


def test_vectors_are_those_of_the_encoder_with_unit_length(encoder):
    found = EncoderEmbedder(encoder).transform(["aab", "abc"])
    assert found.dtype == np.float32
    assert_allclose(found, normalize([[2.0, 1, 0], [1, 1, 1]]), rtol=1e-6)


def test_each_text_is_encoded_once_in_batches(encoder):
    embedder = EncoderEmbedder(encoder, batch_size=2)
    embedder.transform(["a", "b", "a_b", "a b", "a"])
    embedder.transform(["c", "b"])
    assert encoder.batches == [["a", "b"], ["a b"], ["c"]]


def test_templates_of_a_vocabulary_are_averaged(encoder):
    # "a {}" of b counts (1, 1, 0) and "c {}" (0, 1, 1); the mean of these units is (1, 2, 1) long.
    vocabulary = LabelVocabulary(["b"], templates=["a {}", "c {}"])
    space = LabelSpace(vocabulary, EncoderEmbedder(encoder))
    assert_allclose(space.targets, normalize([[1.0, 2, 1]]), rtol=1e-6)
    assert encoder.batches == [["a b", "c b"]]


def test_a_classifier_answers_with_labels_it_never_saw(encoder):
    X = np.array([[1, 0, 0], [0, 1, 0]], dtype=float)
    clf = DeViSEClassifier(EncoderEmbedder(encoder), max_epochs=5, random_state=0)
    clf.fit(X, ["a", "b"])
    assert clf.predict(X, labels=["bbb c", "aaa c"]).tolist() == ["aaa c", "bbb c"]


def test_tensors_come_from_any_device_and_graph():
    weight = torch.eye(2, dtype=torch.bfloat16, requires_grad=True)
    embedder = EncoderEmbedder(lambda texts: weight[: len(texts)])
    assert_array_equal(embedder.transform(["a", "b"]), np.eye(2))


@pytest.mark.parametrize(
    "answer",
    [np.ones((1, 2)), np.ones(2), 3.0, np.ones((2, 3, 4)), np.ones((2, 0))],
    ids=["too few", "1-D", "0-D", "3-D", "no columns"],
)
def test_an_encoder_that_gives_no_rows_is_refused(answer):
    with pytest.raises(ValueError, match="given 2 texts, and gave an array of shape"):
        EncoderEmbedder(lambda texts: answer).transform(["a", "b"])


@pytest.mark.parametrize(
    ("answer", "gave"),
    [
        ([[1], [1, 2]], "rows of several lengths"),
        ([["1", "2"]] * 2, "an array of <U1"),
        ([[1j, 2]] * 2, "an array of complex128"),
        ([[1, None]] * 2, "an array of object"),
    ],
)
def test_an_encoder_that_gives_no_rows_of_numbers_is_refused(answer, gave):
    with pytest.raises(ValueError, match=f"given 2 texts, and gave {gave}: .* a row of numbers"):
        EncoderEmbedder(lambda texts: answer).transform(["a", "b"])


def test_rows_of_another_length_are_refused():
    embedder = EncoderEmbedder(lambda texts: np.ones((len(texts), len(texts))))
    embedder.transform(["a", "b"])
    with pytest.raises(ValueError, match=r"gave an array of shape \(1, 1\)"):
        embedder.transform(["c"])


def test_texts_without_a_direction_are_named(encoder):
    with pytest.raises(LabelWithoutVectorError, match="'xyz'"):
        EncoderEmbedder(encoder).transform(["a", "xyz"])


@pytest.mark.parametrize("params", [{"encoder": 3}, {"encoder": len, "batch_size": 0}])
def test_parameters_are_checked(params):
    with pytest.raises(ValueError, match="parameter of EncoderEmbedder"):
        EncoderEmbedder(**params).fit()


def test_clones_share_what_is_encoded(encoder):
    embedder = EncoderEmbedder(encoder)
    embedder.transform(["a"])
    assert clone(embedder) is embedder
    with pytest.raises(ValueError, match="EncoderEmbedder cannot be changed"):
        embedder.set_params(batch_size=1)


def test_a_pickle_keeps_what_is_encoded(encoder):
    embedder = EncoderEmbedder(encoder)
    embedder.transform(["a"])
    again = pickle.loads(pickle.dumps(embedder))
    again.transform(["a"])
    assert again.encoder.batches == [["a"]]


@pytest.mark.parametrize("nothing", [[np.nan, 1], [0, 0]])
def test_a_text_has_a_vector_if_the_encoder_gives_one(nothing):
    embedder = EncoderEmbedder(lambda texts: [[3, 4] if "a" in t else nothing for t in texts])
    assert embedder.has_vector(["a", "xyz"]).tolist() == [True, False]
    assert embedder.has_term(["a", "xyz"]).tolist() == [True, False]
    vocabulary = LabelVocabulary(["a", "xyz"], on_missing="drop")
    with pytest.warns(UserWarning, match="dropped: 'xyz'"):
        assert LabelSpace(vocabulary, embedder).labels.tolist() == ["a"]


def test_to_ask_which_texts_have_a_vector_encodes_them_once(encoder):
    embedder = EncoderEmbedder(encoder)
    assert embedder.has_vector([]).tolist() == []
    assert embedder.has_vector(["a", "b c"]).tolist() == [True, True]
    embedder.transform(["b c", "a"])
    assert encoder.batches == [["a", "b c"]]


def test_features_have_names(encoder):
    embedder = EncoderEmbedder(encoder)
    frame = embedder.set_output(transform="pandas").transform(["a"])
    assert frame.columns.tolist() == [f"encoderembedder{i}" for i in range(3)]
    assert np.asarray(embedder.transform([])).shape == (0, 3)


def test_before_it_was_asked_its_dimension_is_open(encoder):
    with pytest.raises(ValueError, match="has not been asked yet"):
        EncoderEmbedder(encoder).transform([])
