import pickle

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
from skdevise.labels._space import LabelSpace


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


@settings(deadline=None, max_examples=100)
@given(spaces(), st.integers(1, 5))
def test_it_ranks_labels_as_appendix_a2_expands_terms(example, expand):
    vocabulary, seed, k = example
    embedder = RandomEmbedder(vector_size=5, random_state=seed)
    points = normalize(np.random.default_rng(seed).standard_normal((4, 5)))
    labels, scores = LabelSpace(vocabulary, embedder, expand=expand).top_k(points, k)
    assert labels.tolist() == [rank_by_terms(vocabulary, embedder, point, k) for point in points]
    assert (np.diff(scores, axis=1) <= 0).all()


@settings(deadline=None, max_examples=50)
@given(spaces(), st.sampled_from(["terms", "first", "mean"]))
def test_the_search_agrees_with_the_scores(example, pool):
    vocabulary, seed, k = example
    vocabulary = LabelVocabulary(vocabulary.labels, vocabulary.terms, pool)
    space = LabelSpace(vocabulary, RandomEmbedder(vector_size=5, random_state=seed))
    points = normalize(np.random.default_rng(seed).standard_normal((4, 5)))
    all_scores = space.scores(points)
    labels, scores = space.top_k(points, k)
    # Labels are their own positions, and of equally near ones the first comes first.
    assert_array_equal(labels, np.argsort(-all_scores, axis=1, kind="stable")[:, :k])
    assert_allclose(scores, np.take_along_axis(all_scores, labels, axis=1))


def test_the_search_widens_until_k_labels_are_found():
    # "head" names labels 0 to 8; with expand=1 the two nearest terms name nine labels, ten asked.
    terms = [["head"]] * 9 + [["chief"], ["tail"]]
    embedder = PretrainedEmbedder({"head": [1, 0], "chief": [0.9, 0.1], "tail": [-1, 0]})
    space = LabelSpace(LabelVocabulary(range(11), terms), embedder, expand=1)
    labels, scores = space.top_k(np.array([[1.0, 0.0]]), k=11)
    assert labels.tolist() == [list(range(11))]
    assert_allclose(scores[0, [0, 8, 10]], [1, 1, -1])


def test_offsets_are_taken_off_before_labels_are_ranked(vehicles):
    # To car, taxi and bus: 1, 1 and 0.8.
    points = np.array([[0, 1]], dtype=np.float32)
    labels, scores = vehicles.top_k(points, k=2, offsets=np.array([0.5, 0.3, 0.0]))
    assert labels.tolist() == [["bus", "taxi"]]
    assert_allclose(scores, [[0.8, 0.7]])


def test_labels_without_a_vector_can_be_dropped():
    vocabulary = LabelVocabulary(["cat", "gerenuk", "okapi"], on_missing="drop")
    embedder = PretrainedEmbedder({"okapi": [0, 1], "cat": [1, 0]})
    with pytest.warns(UserWarning, match="1 of 3 labels have no vector.*'gerenuk'"):
        space = LabelSpace(vocabulary, embedder)
    assert space.labels.tolist() == ["cat", "okapi"]
    assert_array_equal(space.scores(np.eye(2)), np.eye(2))
    with pytest.raises(LabelWithoutVectorError):
        LabelSpace(LabelVocabulary(["gerenuk"], on_missing="drop"), embedder)


def test_templates_are_averaged():
    embedder = PretrainedEmbedder({"a cat": [1, 0], "my cat": [0, 1], "a dog": [1, 0]})
    space = LabelSpace(LabelVocabulary(["cat"], templates=["a {}", "my {}"]), embedder)
    assert_allclose(space.targets, [[0.5**0.5, 0.5**0.5]])
    with pytest.raises(LabelWithoutVectorError, match="'dog'"):
        LabelSpace(LabelVocabulary(["dog"], templates=["a {}", "my {}"]), embedder)


@pytest.mark.parametrize("search", ["exact", "hnsw", "tree", "lsh"])
@pytest.mark.parametrize("mmap", [True, False])
def test_a_space_can_be_saved(tmp_path, search, mmap):
    if search in ("hnsw", "lsh"):
        pytest.importorskip("faiss")
    space = LabelSpace(LabelVocabulary(range(50)), RandomEmbedder(8), search=search)
    points = RandomEmbedder(8, random_state=1).transform(range(7))
    space.save(tmp_path / "space.joblib")
    loaded = LabelSpace.load(tmp_path / "space.joblib", mmap=mmap)
    assert repr(loaded) == repr(space) == f"LabelSpace(50 labels, 50 terms, 8-d, search={search!r})"
    assert_array_equal(loaded.top_k(points, 4)[0], space.top_k(points, 4)[0])
    assert 0.9 <= loaded.recall(points, 5) <= 1


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


@pytest.mark.parametrize(
    ("options", "message"),
    [({"search": "faiss"}, "search is one of .* got 'faiss'"), ({"expand": 0}, "expand .* got 0")],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LabelSpace(["cat"], RandomEmbedder(4), **options)


def test_points_of_another_space_are_refused(vehicles):
    for ask in (vehicles.scores, lambda x: vehicles.top_k(x, 1), lambda x: vehicles.recall(x, 1)):
        with pytest.raises(ValueError, match=r"Points are of shape \(n, 2\), got shape \(3, 3\)"):
            ask(np.eye(3))
    with pytest.raises(ValueError, match="k=9 is out of range: there are 4 terms"):
        vehicles.recall(np.eye(2), 9)


def test_points_of_whole_numbers_have_scores_that_are_not_whole(vehicles):
    # To bus, (0.6, 0.8), and to auto, a term of car.
    labels, scores = vehicles.top_k([[1, 0]], 2)
    assert labels.tolist() == [["car", "bus"]]
    assert_allclose(scores, [[1, 0.6]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_no_numbers_are_refused(vehicles, value):
    for ask in (vehicles.scores, lambda x: vehicles.top_k(x, 1), lambda x: vehicles.recall(x, 1)):
        with pytest.raises(ValueError, match="Points hold NaN or infinity"):
            ask([[1.0, value]])


def test_offsets_are_one_a_label(vehicles):
    with pytest.raises(ValueError, match=r"Offsets are of shape \(3,\), got shape \(2,\)"):
        vehicles.top_k(np.eye(2), 1, offsets=np.zeros(2))


def test_recall_of_no_point_is_refused(vehicles):
    with pytest.raises(ValueError, match="There is no point"):
        vehicles.recall(np.empty((0, 2)), 1)


@pytest.mark.parametrize("content", [b"", b"{}", pickle.dumps({"labels": ["cat"]})])
def test_a_file_without_a_space_is_refused(tmp_path, content):
    path = tmp_path / "space"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="space' holds no LabelSpace"):
        LabelSpace.load(path)


@pytest.mark.parametrize("pool", ["terms", "first", "mean"])
@pytest.mark.parametrize("templates", [None, ["a {}"]])
def test_targets_are_float32_whatever_the_embedder_gives(pool, templates):
    class Float64:
        def transform(self, terms):
            return RandomEmbedder(3).transform(terms).astype(np.float64)

    vocabulary = LabelVocabulary(
        ["cat", "car"], {"car": ["car", "auto"]}, pool=pool, templates=templates
    )
    spaces = [LabelSpace(vocabulary, embedder) for embedder in (Float64(), RandomEmbedder(3))]
    assert spaces[0].targets.dtype == np.float32
    np.testing.assert_allclose(spaces[0].targets, spaces[1].targets, rtol=1e-6)
