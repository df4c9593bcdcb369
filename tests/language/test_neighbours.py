"""Nearest terms, analogies and agreement with human ratings."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import normalize

from skdevise import PretrainedEmbedder

HALF = np.sqrt(0.5)


def test_predict_returns_the_term_with_the_smallest_angle(animals):
    # The points are at 10, 40 and 89 degrees, the terms at 0, 45 and 90. Length does not matter.
    angles = np.deg2rad([10, 40, 89])
    points = 7 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert animals.predict(points).tolist() == ["shark", "Great_Dane", "white"]


def test_most_similar_ranks_the_other_terms(animals):
    similar = animals.most_similar("SHARK")
    assert [term for term, _ in similar] == ["Great_Dane", "white"]
    assert_allclose([cosine for _, cosine in similar], [HALF, 0], atol=1e-7)
    assert animals.most_similar("shark", k=1) == similar[:1]


def test_most_similar_excludes_all_spellings_of_the_term():
    spellings = ["Cat", "cat", "CAT", "cAt", "caT", "CaT"]
    embedder = PretrainedEmbedder(([*spellings, "dog"], [[1, 0]] * 6 + [[0, 1]]))
    assert [term for term, _ in embedder.most_similar("cat", k=1)] == ["dog"]


@pytest.mark.parametrize("query", ["wolves", "WOLF", "Wolf"])
def test_most_similar_excludes_the_term_that_was_found(query):
    embedder = PretrainedEmbedder({"wolf": [2, 1], "Wolf": [3, 1], "dog": [1, 1], "cat": [0, 1]})
    assert [term for term, _ in embedder.most_similar(query, k=2)] == ["dog", "cat"]
    assert embedder.analogy([query, "dogs"], ["cats"], k=2) == []


@pytest.mark.parametrize("k", [0, -1, 1.5, "2"])
def test_k_must_be_a_positive_integer(animals, k):
    with pytest.raises(ValueError, match=f"k={k!r}"):
        animals.most_similar("shark", k=k)
    with pytest.raises(ValueError, match=f"k={k!r}"):
        animals.nearest([[1, 0]], k=k)


def test_most_similar_takes_one_term(animals):
    with pytest.raises(TypeError, match=r"\['shark', 'white'\]"):
        animals.most_similar(["shark", "white"])


def test_most_similar_takes_composed_terms(animals):
    # "white shark" is at 45 degrees, like the Great Dane.
    assert animals.most_similar("white shark", k=1)[0] == ("Great_Dane", pytest.approx(1))


def test_nearest_ranks_terms_by_angle(animals):
    terms, cosines = animals.nearest([[5, 0], [0, 1]], k=2, return_cosines=True)
    assert terms.tolist() == [["shark", "Great_Dane"], ["white", "Great_Dane"]]
    assert_allclose(cosines, [[1, HALF], [1, HALF]], rtol=1e-6)


def test_equal_cosines_keep_the_order_of_the_table():
    embedder = PretrainedEmbedder((list("abcd"), [[0, 1], [1, 0], [0, 2], [0, 3]]))
    assert embedder.nearest([[0, 1]], k=4).tolist() == [["a", "c", "d", "b"]]


@pytest.mark.parametrize(("k", "n_points"), [(1, 1030), (40, 1030), (8195, 2)])
def test_nearest_agrees_with_a_sort_of_all_cosines(k, n_points):
    rng = np.random.default_rng(0)
    # The table has more than one block of 8,192 terms, and X more than one batch of 1,024 points.
    matrix = rng.standard_normal((8200, 3)).astype(np.float32)
    points = normalize(rng.standard_normal((n_points, 3)))
    embedder = PretrainedEmbedder((np.arange(8200).astype(str), matrix))
    terms, cosines = embedder.nearest(points, k=k, return_cosines=True)
    checked = [0, 1, n_points // 2, n_points - 1]
    all_cosines = points[checked] @ normalize(matrix).T
    assert_allclose(cosines[checked], np.sort(all_cosines)[:, : -k - 1 : -1], atol=1e-5)
    named = np.take_along_axis(all_cosines, terms[checked].astype(int), axis=1)
    assert_allclose(named, cosines[checked], atol=1e-5)


@pytest.mark.parametrize(
    ("X", "k", "named"),
    [([[1, 0]], 4, "k=4.*3 terms"), ([[1, 0, 0]], 1, "3.*2"), ([[np.nan, 0]], 1, "NaN")],
)
def test_nearest_validates_its_input(animals, X, k, named):
    with pytest.raises(ValueError, match=named):
        animals.nearest(X, k=k)


def test_terms_without_direction_are_never_nearest():
    embedder = PretrainedEmbedder({"cat": [1.0, 0.0], "zero": [0.0, 0.0]})
    assert embedder.nearest([[-1, 0]], k=1).tolist() == [["cat"]]
    with pytest.raises(ValueError, match="k=2.*1 terms"):
        embedder.nearest([[1, 0]], k=2)


def test_an_analogy_adds_and_subtracts_unit_vectors():
    # In unit vectors: (.71, .71) - (1, 0) + (0, 1), which points up and slightly to the left.
    embedder = PretrainedEmbedder(
        {"king": [5, 5], "Man": [9, 0], "woman": [0, 2], "queen": [-1, 6], "apple": [0, -1]}
    )
    similar = embedder.analogy(["king", "woman"], ["man"], k=2)
    point = np.array([HALF - 1, HALF + 1])
    cosine = point @ [-1, 6] / np.linalg.norm(point) / np.sqrt(37)
    assert similar == [("queen", pytest.approx(cosine)), ("apple", pytest.approx(-0.98559856))]


@pytest.mark.parametrize(
    ("positive", "negative", "named"),
    [([], ["shark"], "positive"), (["shark"], ["SHARK"], "shark.*SHARK")],
)
def test_an_analogy_needs_a_direction(animals, positive, negative, named):
    with pytest.raises(ValueError, match=named):
        animals.analogy(positive, negative)


def test_float16_tables_can_be_searched():
    matrix = np.float16([[0, 2], [3, 0], [1, 1]])
    embedder = PretrainedEmbedder((["white", "shark", "Great_Dane"], matrix))
    assert embedder.predict([[5, 1]]).tolist() == ["shark"]
    assert embedder.most_similar("shark", k=1)[0][0] == "Great_Dane"


# Human ratings. The cosines of these pairs are 0, 0.71 and 1, so their ranks are 1, 2 and 3.
PAIRS = [("white", "shark"), ("white", "Great Dane"), ("white", "white")]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    # 1 - 6 * (sum of squared differences of ranks) / (n * (n^2 - 1)), with n = 3.
    [([1, 5, 9], 1), ([9, 5, 1], -1), ([5, 1, 9], 0.5), ([9, 1, 5], -0.5)],
)
def test_score_is_the_rank_correlation(animals, ratings, expected):
    assert animals.score(PAIRS, ratings) == pytest.approx(expected)


def test_score_warns_about_pairs_without_a_vector(animals):
    with pytest.warns(UserWarning, match="1 of 4.*shark - gerenuk"):
        score = animals.score([*PAIRS[:1], ("shark", "gerenuk"), *PAIRS[1:]], [1, 99, 5, 9])
    assert score == pytest.approx(1)


def test_score_takes_tables(animals):
    assert animals.score(pd.DataFrame(PAIRS), pd.Series([1, 5, 9])) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:3 of 3 pairs")
@pytest.mark.parametrize(
    ("pairs", "ratings", "named"),
    [
        ([], [], r"\(0,\)"),
        (["cat", "dog"], [1, 2], r"\(2,\)"),
        ([("a", "b", "c")], [1], r"\(1, 3\)"),
        (PAIRS, [1, 2], "3, 2"),
        (PAIRS, [1, 2, np.nan], "NaN"),
        (PAIRS, ["a", "b", "c"], "strings"),
        ([("cat", "dog")] * 3, [1, 2, 3], "0 of 3"),
    ],
)
def test_score_validates_its_input(animals, pairs, ratings, named):
    with pytest.raises(ValueError, match=named):
        animals.score(pairs, ratings)
