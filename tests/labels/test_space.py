import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.preprocessing import normalize

from skdevise import LabelVocabulary, PretrainedEmbedder, RandomEmbedder
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.labels import space as space_module
from skdevise.labels.space import LabelSpace


@pytest.fixture
def vehicles():
    """Three labels in the plane; "auto" is a term of two of them, "gerenuk" has no vector."""
    embedder = PretrainedEmbedder({"car": [1, 0], "auto": [0, 1], "cab": [-1, 0], "bus": [3, 4]})
    terms = {"car": ["gerenuk", "car", "auto"], "taxi": ["cab", "auto"], "bus": "bus"}
    return LabelSpace(LabelVocabulary(["car", "taxi", "bus"], terms), embedder)


def test_the_target_is_the_first_term_with_a_vector(vehicles):
    assert vehicles.labels.tolist() == ["car", "taxi", "bus"]
    assert_allclose(vehicles.targets, [[1, 0], [-1, 0], [0.6, 0.8]])


def test_a_label_is_as_near_as_its_nearest_term(vehicles):
    points = [[1, 0], [-0.8, 0.6]]
    # To car and auto: 1 and 0, -0.8 and 0.6. To cab and auto: -1 and 0, 0.8 and 0.6.
    # To the bus, (0.6, 0.8): 0.6; -0.48 + 0.48 = 0.
    assert_allclose(vehicles.scores(points), [[1, 0, 0.6], [0.6, 0.8, 0]], atol=1e-7)


def test_a_shared_term_brings_all_its_labels_in_their_order(vehicles):
    # "auto" is nearest, and belongs to car and taxi.
    labels, scores = vehicles.top_k(np.array([[0, 1]], dtype=np.float32), k=3)
    assert labels.tolist() == [["car", "taxi", "bus"]]
    assert_allclose(scores, [[1, 1, 0.8]])


def test_labels_without_a_vector_are_all_named():
    vocabulary = LabelVocabulary(["cat", "gerenuk", "okapi", "eland"], {"eland": ["cat", "kudu"]})
    with pytest.raises(LabelWithoutVectorError, match="2 of 4 labels have no vector") as raised:
        LabelSpace(vocabulary, PretrainedEmbedder({"cat": [1, 0]}))
    assert raised.value.missing == ["gerenuk", "okapi"]


def test_labels_keep_their_kind():
    labels, _ = LabelSpace(LabelVocabulary([7, "7", 8]), RandomEmbedder(4)).top_k(np.eye(4), k=2)
    assert {type(label) for label in labels.ravel()} <= {int, str}
    numbers, _ = LabelSpace(LabelVocabulary([7, 8]), RandomEmbedder(4)).top_k(np.eye(4), k=2)
    assert np.issubdtype(numbers.dtype, np.integer)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_more_answers_than_labels_are_refused(vehicles, k):
    with pytest.raises(ValueError, match=rf"k={k} is out of range: there are 3 candidate labels"):
        vehicles.top_k(np.eye(2), k)


class TableEmbedder:
    """The least that an embedder can be; its vectors come in a table."""

    def transform(self, terms):
        return pd.DataFrame(np.eye(3)[[len(term) - 3 for term in terms]])


def test_an_embedder_needs_transform_alone():
    found = LabelSpace(LabelVocabulary(["cat", "bird", "mouse"]), TableEmbedder())
    assert_array_equal(found.scores(np.eye(3)), np.eye(3))


def test_tables_as_output_change_nothing(vehicles):
    embedder = PretrainedEmbedder({"cat": [1, 0], "rat": [0, 1]})
    with config_context(transform_output="pandas"):
        found = LabelSpace(LabelVocabulary(["rat", "cat"]), embedder)
    assert_array_equal(found.targets, [[0, 1], [1, 0]])


@st.composite
def spaces(draw):
    """A vocabulary whose labels share terms, and the seed of the vectors."""
    n_labels = draw(st.integers(1, 8))
    terms = st.lists(st.sampled_from("pqrstu"), min_size=1, max_size=4)
    vocabulary = LabelVocabulary(range(n_labels), [draw(terms) for _ in range(n_labels)])
    return vocabulary, draw(st.integers(0, 2**31)), draw(st.integers(1, n_labels))


def rank_by_terms(vocabulary, embedder, point, k):
    """Appendix A.2: expand the nearest terms, one by one, to all labels that contain them."""
    terms = sorted({term for own in vocabulary.terms for term in own})
    cosines = embedder.transform(terms).astype(float) @ point
    answers = []
    for i in np.argsort(-cosines):
        owners = [
            label
            for label, own in zip(vocabulary.labels.tolist(), vocabulary.terms, strict=True)
            if terms[i] in own
        ]
        answers += [label for label in owners if label not in answers]
    return answers[:k]


@settings(deadline=None, max_examples=50)
@given(spaces())
def test_it_ranks_labels_as_appendix_a2_expands_terms(example):
    vocabulary, seed, k = example
    embedder = RandomEmbedder(vector_size=5, random_state=seed)
    points = normalize(np.random.default_rng(seed).standard_normal((4, 5)))
    labels, scores = LabelSpace(vocabulary, embedder).top_k(points, k)
    assert labels.tolist() == [rank_by_terms(vocabulary, embedder, point, k) for point in points]
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("block_bytes", [1, 100, 1_000])
def test_blocks_of_any_size_give_the_same_answers(monkeypatch, block_bytes):
    rng = np.random.default_rng(0)
    found = LabelSpace(LabelVocabulary(range(10)), RandomEmbedder(vector_size=8))
    points = normalize(rng.standard_normal((33, 8))).astype(np.float32)
    labels, scores = found.top_k(points, k=3)
    monkeypatch.setattr(space_module, "_BLOCK_BYTES", block_bytes)
    blocked_labels, blocked_scores = found.top_k(points, k=3)
    assert_array_equal(blocked_labels, labels)
    assert_allclose(blocked_scores, scores, rtol=1e-5)


def test_blocks_keep_to_the_budget(monkeypatch, vehicles):
    # Five term columns of four bytes each: 60 bytes hold three rows.
    monkeypatch.setattr(space_module, "_BLOCK_BYTES", 60)
    sizes = []
    scores = vehicles.scores
    monkeypatch.setattr(vehicles, "scores", lambda rows: sizes.append(len(rows)) or scores(rows))
    vehicles.top_k(np.ones((8, 2), dtype=np.float32), k=1)
    assert sizes == [3, 3, 2]


def test_pool_says_which_terms_count():
    # Terms at 0 and 90 degrees: the nearest to (0, 1) has cosine 1, the first 0, the mean 0.707.
    embedder = PretrainedEmbedder({"a": [1, 0], "b": [0, 1]})
    cosines, targets = {}, {}
    for pool in ("terms", "first", "mean"):
        space = LabelSpace(LabelVocabulary(["x"], [["a", "b"]], pool=pool), embedder)
        cosines[pool] = space.scores([[0.0, 1.0]]).item()
        targets[pool] = space.targets[0].tolist()
    half = 0.5**0.5
    assert cosines == pytest.approx({"terms": 1, "first": 0, "mean": half})
    assert targets["terms"] == targets["first"] == [1, 0]
    assert targets["mean"] == pytest.approx([half, half])
