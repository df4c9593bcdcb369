import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.preprocessing import normalize
from sklearn.utils import Bunch

from skdevise import (
    ConSEClassifier,
    DeViSEClassifier,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    VisualFeaturizer,
    save,
)
from skdevise.exceptions import LabelWithoutVectorError


@pytest.fixture
def vehicles():
    """Three labels in the plane; "auto" is a term of two of them, "gerenuk" has no vector."""
    embedder = PretrainedEmbedder({"car": [1, 0], "auto": [0, 1], "cab": [-1, 0], "bus": [3, 4]})
    terms = {"car": ["gerenuk", "car", "auto"], "taxi": ["cab", "auto"], "bus": "bus"}
    return LabelSpace(terms, embedder)


def test_the_target_is_the_first_term_with_a_vector(vehicles):
    assert vehicles.labels.tolist() == ["car", "taxi", "bus"]
    assert_allclose(vehicles.targets, [[1, 0], [-1, 0], [0.6, 0.8]])


def test_an_embedder_that_returns_nan_is_refused():
    class Wrapper:
        def transform(self, terms):
            return np.array([[np.nan if term == "okapi" else 1.0] for term in terms])

    with pytest.raises(ValueError, match="Wrapper.*'okapi'"):
        LabelSpace(["cat", "okapi"], Wrapper())


def test_a_label_scores_as_its_nearest_term(vehicles):
    points = [[1, 0], [-0.8, 0.6]]
    # To car and auto: 1 and 0, -0.8 and 0.6. To cab and auto: -1 and 0, 0.8 and 0.6.
    # To bus, (0.6, 0.8): 0.6; -0.48 + 0.48 = 0.
    assert_allclose(vehicles.scores(points), [[1, 0, 0.6], [0.6, 0.8, 0]], atol=1e-7)


def test_each_of_many_labels_scores_as_its_nearest_term():
    rng = np.random.default_rng(0)
    vectors = normalize(rng.normal(size=(51, 4)))
    vector_of, point = {f"term {i}": vector for i, vector in enumerate(vectors[1:])}, vectors[0]
    terms = {f"label {i}": rng.choice(list(vector_of), 1 + i % 3).tolist() for i in range(60)}
    expected = [max(vector_of[term] @ point for term in some) for some in terms.values()]
    space = LabelSpace(terms, PretrainedEmbedder(vector_of))
    assert_allclose(space.scores([point])[0], expected, rtol=1e-5)


def test_a_shared_term_gives_all_its_labels_in_order(vehicles):
    # "auto" is the nearest term, and belongs to car and taxi.
    labels, scores = vehicles.top_k(np.array([[0, 1]], dtype=np.float32), k=3)
    assert labels.tolist() == [["car", "taxi", "bus"]]
    assert_allclose(scores, [[1, 1, 0.8]])


def test_pool_chooses_the_terms_that_count():
    # Terms at 0 and 90 degrees: the nearest to (0, 1) has cosine 1, the first 0, the mean 0.707.
    embedder = PretrainedEmbedder({"a": [1, 0], "b": [0, 1]})
    scores, targets = {}, {}
    for pool in ("terms", "first", "mean"):
        space = LabelSpace(LabelVocabulary({"x": ["a", "b"]}, pool=pool), embedder)
        scores[pool] = space.scores([[0.0, 1.0]]).item()
        targets[pool] = space.targets[0].tolist()
    half = 0.5**0.5
    assert scores == pytest.approx({"terms": 1, "first": 0, "mean": half})
    assert targets["terms"] == targets["first"] == [1, 0]
    assert targets["mean"] == pytest.approx([half, half])


def test_labels_without_a_vector_are_all_named():
    vocabulary = LabelVocabulary(["cat", "gerenuk", "okapi", "eland"], {"eland": ["cat", "kudu"]})
    with pytest.raises(LabelWithoutVectorError, match="2 of 4.*gerenuk.*okapi") as raised:
        LabelSpace(vocabulary, PretrainedEmbedder({"cat": [1, 0]}))
    assert raised.value.missing == ["gerenuk", "okapi"]


def test_labels_without_a_vector_can_be_dropped():
    vocabulary = LabelVocabulary(["cat", "gerenuk", "okapi"], on_missing="drop")
    embedder = PretrainedEmbedder({"okapi": [0, 1], "cat": [1, 0]})
    with pytest.warns(UserWarning, match="1 of 3.*gerenuk"):
        space = LabelSpace(vocabulary, embedder)
    assert space.labels.tolist() == ["cat", "okapi"]
    assert_array_equal(space.scores(np.eye(2)), np.eye(2))
    with pytest.raises(LabelWithoutVectorError):
        LabelSpace(LabelVocabulary(["gerenuk"], on_missing="drop"), embedder)


def test_templates_are_averaged():
    embedder = PretrainedEmbedder({"a cat": [1, 0], "my cat": [0, 1], "a dog": [1, 0]})
    space = LabelSpace(LabelVocabulary(["cat"], templates=["a {}", "my {}"]), embedder)
    assert_allclose(space.targets, [[0.5**0.5, 0.5**0.5]])
    with pytest.raises(LabelWithoutVectorError, match="dog"):
        LabelSpace(LabelVocabulary(["dog"], templates=["a {}", "my {}"]), embedder)


def test_labels_keep_their_type():
    labels, _ = LabelSpace([7, "7", 8], RandomEmbedder(4)).top_k(np.eye(4), k=2)
    assert {type(label) for label in labels.ravel()} <= {int, str}
    numbers, _ = LabelSpace([7, 8], RandomEmbedder(4)).top_k(np.eye(4), k=2)
    assert np.issubdtype(numbers.dtype, np.integer)


def test_an_embedder_needs_only_transform_which_may_return_a_table():
    class TableEmbedder:
        def transform(self, terms):
            return pd.DataFrame(np.eye(3)[[len(term) - 3 for term in terms]])

    space = LabelSpace(["cat", "bird", "mouse"], TableEmbedder())
    assert_array_equal(space.scores(np.eye(3)), np.eye(3))
    assert space.targets.dtype == np.float32
    with config_context(transform_output="pandas"):
        space = LabelSpace(["rat", "cat"], PretrainedEmbedder({"cat": [1, 0], "rat": [0, 1]}))
    assert_array_equal(space.targets, [[0, 1], [1, 0]])


# Ranking

N_TERMS = 30


def naive_ranking(vocabulary, vector_of, point, k):
    """Score each label by its nearest term, and rank with Python's stable sort."""
    scores = [max(float(vector_of[term] @ point) for term in terms) for terms in vocabulary.terms]
    ranking = sorted(range(len(scores)), key=lambda label: -scores[label])[:k]
    return [vocabulary.labels[label] for label in ranking], [scores[label] for label in ranking]


@st.composite
def vocabularies(draw):
    """A vocabulary whose labels share terms, k, and a seed."""
    n_labels = draw(st.integers(1, 40))
    terms = st.lists(st.integers(0, N_TERMS - 1).map(str), min_size=1, max_size=4)
    one_each = draw(st.booleans())
    vocabulary = LabelVocabulary(
        range(n_labels),
        [[str(i % N_TERMS)] if one_each else draw(terms) for i in range(n_labels)],
    )
    return vocabulary, draw(st.integers(1, n_labels)), draw(st.integers(0, 2**31))


@settings(deadline=None, max_examples=100)
@given(vocabularies(), st.sampled_from(["exact", "tree"]))
def test_labels_are_ranked_by_their_nearest_term(example, search):
    vocabulary, k, seed = example
    embedder = RandomEmbedder(vector_size=5, random_state=seed)
    terms = [str(i) for i in range(N_TERMS)]
    vector_of = dict(zip(terms, embedder.transform(terms).astype(float), strict=True))
    points = normalize(np.random.default_rng(seed).standard_normal((4, 5)))
    space = LabelSpace(vocabulary, embedder, search)
    for dtype in (np.float64, np.float32):
        labels, scores = space.top_k(points.astype(dtype), k)
        for point, label_row, score_row in zip(points, labels, scores, strict=True):
            expected, expected_scores = naive_ranking(vocabulary, vector_of, point, k)
            assert label_row.tolist() == expected
            assert_allclose(score_row, expected_scores, atol=1e-6)


@settings(deadline=None, max_examples=200)
@given(vocabularies(), st.sampled_from([1, 2, 5]), st.sampled_from([np.float32, np.float64]))
def test_labels_with_equal_scores_keep_their_order(example, n_different, dtype):
    # The terms have few different vectors, so most scores are tied, also at the cut.
    vocabulary, k, seed = example
    rng = np.random.default_rng(seed)
    different = normalize(rng.standard_normal((n_different, 50)))
    terms = [str(i) for i in range(N_TERMS)]
    vectors = different[rng.integers(n_different, size=N_TERMS)]
    embedder = PretrainedEmbedder((terms, vectors))
    vector_of = dict(zip(terms, vectors, strict=True))
    points = normalize(rng.standard_normal((3, 50))).astype(dtype)
    labels, _ = LabelSpace(vocabulary, embedder).top_k(points, k)
    assert labels.tolist() == [
        naive_ranking(vocabulary, vector_of, point, k)[0] for point in points
    ]


@settings(deadline=None, max_examples=50)
@given(vocabularies(), st.sampled_from(["terms", "first", "mean"]))
def test_the_ranking_agrees_with_the_scores(example, pool):
    vocabulary, k, seed = example
    vocabulary = LabelVocabulary(vocabulary.labels, vocabulary.terms, pool)
    space = LabelSpace(vocabulary, RandomEmbedder(vector_size=5, random_state=seed))
    points = normalize(np.random.default_rng(seed).standard_normal((4, 5)))
    all_scores = space.scores(points)
    labels, scores = space.top_k(points, k)
    # Each label is its own column.
    assert_array_equal(labels, np.argsort(-all_scores, axis=1, kind="stable")[:, :k])
    assert_allclose(scores, np.take_along_axis(all_scores, labels, axis=1))
    offsets = np.random.default_rng(seed).random(space.n_labels)
    labels, scores = space.top_k(points, k, offsets)
    assert_array_equal(labels, np.argsort(offsets - all_scores, axis=1, kind="stable")[:, :k])


def test_the_search_widens_until_k_labels_are_found():
    # Twenty terms near the point all belong to label 0, so the first search finds one label.
    terms = {0: [f"near {i}" for i in range(20)]} | {i: [f"far {i}"] for i in range(1, 30)}
    vectors = {f"near {i}": [1, 0.001 * i] for i in range(20)}
    vectors |= {f"far {i}": [-1, 0.1 * i] for i in range(1, 30)}
    space = LabelSpace(terms, PretrainedEmbedder(vectors))
    labels, scores = space.top_k(np.array([[1.0, 0.0]]), k=3)
    assert labels.tolist() == [[0, 29, 28]]
    # The cosine of (-1, 2.9) is -1 / sqrt(1 + 2.9 ** 2).
    assert_allclose(scores[0, :2], [1, -1 / np.hypot(1, 2.9)], rtol=1e-6)


def test_offsets_are_subtracted_before_labels_are_ranked(vehicles):
    # To car, taxi and bus: 1, 1 and 0.8.
    points = np.array([[0, 1]], dtype=np.float32)
    labels, scores = vehicles.top_k(points, k=2, offsets=np.array([0.5, 0.3, 0.0]))
    assert labels.tolist() == [["bus", "taxi"]]
    assert_allclose(scores, [[0.8, 0.7]])


def test_points_and_offsets_may_be_tensors(vehicles, device):
    options = {"dtype": torch.bfloat16, "device": device, "requires_grad": True}
    points = torch.eye(2, vehicles.vector_size, **options)
    offsets = torch.full((vehicles.n_labels,), 0.5, **options)
    assert_array_equal(vehicles.scores(points), vehicles.scores(np.eye(2, vehicles.vector_size)))
    plain, lowered = vehicles.top_k(points, 1)[1], vehicles.top_k(list(points), 1, offsets)[1]
    assert_array_equal(lowered, plain - 0.5)


def test_points_may_be_whole_numbers(vehicles):
    # To bus, (0.6, 0.8), and to auto, a term of car.
    labels, scores = vehicles.top_k([[1, 0]], 2)
    assert labels.tolist() == [["car", "bus"]]
    assert_allclose(scores, [[1, 0.6]])


# Files


@pytest.mark.parametrize("search", ["exact", "hnsw", "tree", "lsh"])
@pytest.mark.parametrize("mmap", [True, False])
def test_a_space_survives_a_file(tmp_path, search, mmap):
    if search in ("hnsw", "lsh"):
        pytest.importorskip("faiss")
    space = LabelSpace(range(50), RandomEmbedder(8), search=search)
    points = RandomEmbedder(8, random_state=1).transform(range(7))
    space.save(tmp_path / "space.safetensors")
    loaded = LabelSpace.load(tmp_path / "space.safetensors", mmap=mmap)
    assert repr(loaded) == repr(space) == f"LabelSpace(50 labels, 50 terms, 8-d, search={search!r})"
    assert_array_equal(loaded.top_k(points, 4)[0], space.top_k(points, 4)[0])
    trusted = LabelSpace.load(tmp_path / "space.safetensors", mmap=mmap, trusted=["faiss"])
    assert_array_equal(trusted.top_k(points, 4)[0], space.top_k(points, 4)[0])
    assert 0.9 <= loaded.recall(points, 5) <= 1


@pytest.mark.parametrize("content", [b"", b"{}", pickle.dumps({"labels": ["cat"]})])
def test_a_file_without_a_space_is_named(tmp_path, content):
    path = tmp_path / "space.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"space\.safetensors"):
        LabelSpace.load(path)


def test_a_file_of_another_object_is_named(tmp_path):
    path = tmp_path / "vectors.safetensors"
    save(PretrainedEmbedder({"cat": [1, 0]}), path)
    with pytest.raises(ValueError, match=r"vectors\.safetensors.*LabelSpace"):
        LabelSpace.load(path)


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_k_may_be_an_integer_of_numpy(search):
    # faiss refuses integers of NumPy. It takes part only if there are more labels than k + 1.
    if search == "hnsw":
        pytest.importorskip("faiss")
    space = LabelSpace([f"label{i}" for i in range(9)], RandomEmbedder(4, random_state=0), search)
    points = space.targets[:2]
    assert_array_equal(space.top_k(points, np.int64(2))[0], space.top_k(points, 2)[0])
    assert space.recall(points, np.int64(2)) == space.recall(points, 2)


# Errors


@pytest.mark.parametrize("k", [0, -1, 4, 1.5, True])
def test_k_must_be_a_number_of_labels(vehicles, k):
    with pytest.raises(ValueError, match=f"k={k} .*1 to 3"):
        vehicles.top_k(np.eye(2), k)


@pytest.mark.parametrize("points", [np.eye(3), [[1.0, np.nan]], [[1.0, np.inf]], [1.0, 0.0]])
def test_invalid_points_are_refused(vehicles, points):
    for method in (
        vehicles.scores,
        lambda x: vehicles.top_k(x, 1),
        lambda x: vehicles.recall(x, 1),
    ):
        with pytest.raises(ValueError, match="points"):
            method(points)


def test_invalid_arguments_are_named(vehicles):
    with pytest.raises(ValueError, match="ball"):
        LabelSpace(["cat"], RandomEmbedder(4), search="ball")
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        vehicles.top_k(np.eye(2), 1, offsets=[0, 0])
    with pytest.raises(ValueError, match="NaN"):
        vehicles.top_k(np.eye(2), 1, offsets=[0, np.nan, 0])
    with pytest.raises(ValueError, match="k=9 .*1 to 4"):
        vehicles.recall(np.eye(2), 9)
    with pytest.raises(ValueError, match="no points"):
        vehicles.recall(np.empty((0, 2)), 1)


class Table:
    """An embedder of a user, whose `transform` returns what the test gives it."""

    def __init__(self, vectors):
        self.vectors = vectors

    def transform(self, terms):
        return self.vectors


@pytest.mark.parametrize(
    ("vectors", "error", "value"),
    [
        (csr_array(np.eye(2)), TypeError, "Table.*sparse"),
        (np.eye(3), ValueError, r"Table.*\(3, 3\).*2 terms"),
        (np.eye(2)[:1], ValueError, r"\(1, 2\).*2 terms"),
        (np.ones(2), ValueError, r"\(2,\)"),
        (np.array([["1", "0"], ["0", "1"]]), ValueError, "dtype"),
        ([[1, 0], [3, 4]], ValueError, "length 5.*'dog'"),
        ([[1, 0], [0, 0]], ValueError, "length 0.*'dog'"),
        ([[1, 0], [0, np.inf]], ValueError, "'dog'"),
    ],
)
def test_the_vectors_of_an_embedder_are_checked(vectors, error, value):
    with pytest.raises(error, match=value):
        LabelSpace(["cat", "dog"], Table(vectors))


def test_vectors_of_half_precision_are_long_enough():
    vectors = RandomEmbedder(300).transform(["cat", "dog"]).astype(np.float16)
    assert LabelSpace(["cat", "dog"], Table(vectors)).n_labels == 2


def test_the_answers_of_has_vector_are_checked():
    class Embedder(RandomEmbedder):
        def has_vector(self, terms):
            return True

    with pytest.raises(ValueError, match="has_vector"):
        LabelSpace(["cat", "dog"], Embedder(4))


@pytest.mark.parametrize(
    ("embedder", "advice"),
    [
        ("glove.6B.300d.txt", r"PretrainedEmbedder.load\('glove.6B.300d.txt'\)"),
        (Path("glove.txt"), "PretrainedEmbedder.load"),
        ({"cat": [1, 0], "dog": [0, 1]}, r"dict.*PretrainedEmbedder\(vectors\)"),
        ((["cat"], np.eye(1)), r"PretrainedEmbedder\(vectors\)"),
        (Bunch(embedder=RandomEmbedder(), terms=["cat"] * 100_000), "Bunch.*`embedder`"),
        (RandomEmbedder, "class RandomEmbedder.*instance"),
        (VisualFeaturizer(), "VisualFeaturizer.*`visual`"),
        (len, "EncoderEmbedder"),
        (np.eye(2), "PretrainedEmbedder"),
        (7, "int"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_embedder_of_the_wrong_type_is_refused_with_a_way_out(embedder, advice):
    asks = [
        lambda: LabelSpace(["cat", "dog"], embedder),
        lambda: LabelVocabulary(["cat"]).coverage(embedder),
        lambda: RidgeProjectionClassifier(embedder).fit(np.eye(2), ["cat", "dog"]),
        lambda: DeViSEClassifier(embedder).fit(np.eye(2), ["cat", "dog"]),
        lambda: ConSEClassifier(embedder=embedder).fit(np.eye(2), ["cat", "dog"]),
    ]
    for ask in asks:
        with pytest.raises(TypeError, match=advice) as caught:
            ask()
        assert len(str(caught.value)) < 300
