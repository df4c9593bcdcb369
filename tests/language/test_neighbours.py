"""Nearest terms, analogies, and similarity as humans see it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.preprocessing import normalize

from skdevise import PretrainedEmbedder

HALF = np.sqrt(0.5)


def test_predict_names_the_term_of_least_angle(animals):
    # At 10, 40 and 89 degrees; the terms lie at 0, 45 and 90. Length does not matter.
    angles = np.deg2rad([10, 40, 89])
    points = 7 * np.column_stack([np.cos(angles), np.sin(angles)])
    assert animals.predict(points).tolist() == ["shark", "Great_Dane", "white"]


def test_most_similar_ranks_the_other_terms(animals):
    similar = animals.most_similar("SHARK")
    assert [term for term, _ in similar] == ["Great_Dane", "white"]
    assert_allclose([cosine for _, cosine in similar], [HALF, 0], atol=1e-7)
    assert animals.most_similar("shark", k=1) == similar[:1]


def test_most_similar_leaves_out_the_term_in_all_its_spellings():
    embedder = PretrainedEmbedder((["Cat", "cat", "dog"], [[1, 0], [1, 1], [0, 1]]))
    assert [term for term, _ in embedder.most_similar("cat")] == ["dog"]


@pytest.mark.parametrize("asked", ["wolves", "WOLF", "Wolf"])
def test_the_term_that_is_found_is_no_neighbour_of_itself(asked):
    embedder = PretrainedEmbedder({"wolf": [2, 1], "Wolf": [3, 1], "dog": [1, 1], "cat": [0, 1]})
    assert [term for term, _ in embedder.most_similar(asked, k=2)] == ["dog", "cat"]
    assert [term for term, _ in embedder.analogy([asked, "dogs"], ["cats"], k=2)] == []


@pytest.mark.parametrize("k", [0, -1, 1.5, "2"])
def test_a_number_of_neighbours_is_a_whole_one(animals, k):
    with pytest.raises(ValueError, match=f"k is a whole number of at least 1, got {k!r}"):
        animals.most_similar("shark", k=k)


def test_neighbours_are_those_of_one_term(animals):
    with pytest.raises(TypeError, match=r"A term is text, got \['shark', 'white'\]"):
        animals.most_similar(["shark", "white"])


def test_most_similar_to_a_composed_term(animals):
    # white shark lies at 45 degrees, as the Great Dane does.
    assert animals.most_similar("white shark", k=1)[0] == ("Great_Dane", pytest.approx(1))


def test_nearest_ranks_terms_by_angle(animals):
    terms, cosines = animals.nearest([[5, 0], [0, 1]], k=2, return_cosines=True)
    assert terms.tolist() == [["shark", "Great_Dane"], ["white", "Great_Dane"]]
    assert_allclose(cosines, [[1, HALF], [1, HALF]], rtol=1e-6)


@pytest.mark.parametrize(("k", "n_points"), [(1, 1030), (40, 1030), (8195, 2)])
def test_nearest_is_what_sorting_all_cosines_gives(k, n_points):
    rng = np.random.default_rng(0)
    # More than one block of 8,192 terms, and more than one batch of 1,024 points.
    matrix = rng.standard_normal((8200, 3)).astype(np.float32)
    points = normalize(rng.standard_normal((n_points, 3)))
    embedder = PretrainedEmbedder((np.arange(8200).astype(str), matrix))
    asked = [0, 1, n_points // 2, n_points - 1]
    _, found = embedder.nearest(points, k=k, return_cosines=True)
    cosines = np.sort(points[asked] @ normalize(matrix).T, axis=1)[:, : -k - 1 : -1]
    assert_allclose(found[asked], cosines, atol=1e-5)


@pytest.mark.parametrize(
    ("X", "k", "message"),
    [
        ([[1, 0]], 4, "k=4 is more than the 3 terms"),
        ([[1, 0]], 0, "k is a whole number of at least 1, got 0"),
        ([[1, 0, 0]], 1, "vectors are 2-d, got 3-d ones"),
        ([[np.nan, 0]], 1, "NaN"),
    ],
)
def test_questions_without_an_answer_are_refused(animals, X, k, message):
    with pytest.raises(ValueError, match=message):
        animals.nearest(X, k=k)


def test_k_beyond_the_terms_with_a_direction_is_refused():
    embedder = PretrainedEmbedder({"cat": [1.0, 0.0], "zero": [0.0, 0.0]})
    with pytest.raises(ValueError, match="k=2 is more than the 1 terms"):
        embedder.nearest([[1, 0]], k=2)


def test_an_analogy_adds_and_subtracts_unit_vectors():
    # In unit vectors: (.71, .71) - (1, 0) + (0, 1), up and slightly to the left.
    embedder = PretrainedEmbedder(
        {"king": [5, 5], "Man": [9, 0], "woman": [0, 2], "queen": [-1, 6], "apple": [0, -1]}
    )
    found = embedder.analogy(["king", "woman"], ["man"], k=2)
    point = np.array([HALF - 1, HALF + 1])
    cosine = point @ [-1, 6] / np.linalg.norm(point) / np.sqrt(37)
    assert found == [("queen", pytest.approx(cosine)), ("apple", pytest.approx(-0.98559856))]


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [([], ["shark"], "needs a positive term"), (["shark"], ["SHARK"], "leaves nothing")],
)
def test_analogies_of_nothing_are_refused(animals, positive, negative, message):
    with pytest.raises(ValueError, match=message):
        animals.analogy(positive, negative)


def test_float16_tables_are_searched_too(animals):
    half = PretrainedEmbedder(
        (["white", "shark", "Great_Dane"], np.float16([[0, 2], [3, 0], [1, 1]]))
    )
    assert half.predict([[5, 1]]).tolist() == ["shark"]
    assert half.most_similar("shark", k=1)[0][0] == "Great_Dane"


# Similarity as humans see it

# Cosines: white - shark 0, white - Great Dane 0.71, white - white 1, ranks 1, 2, 3.
PAIRS = [("white", "shark"), ("white", "Great Dane"), ("white", "white")]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    # 1 - 6 * (sum of squared differences of ranks) / (n * (n^2 - 1)), with n = 3.
    [([1, 5, 9], 1), ([9, 5, 1], -1), ([5, 1, 9], 0.5), ([9, 1, 5], -0.5)],
)
def test_score_is_the_correlation_of_ranks(animals, ratings, expected):
    assert animals.score(PAIRS, ratings) == pytest.approx(expected)


def test_pairs_without_a_vector_are_left_out_and_named(animals):
    with pytest.warns(UserWarning, match="1 of 4 pairs are left out.* shark - gerenuk"):
        score = animals.score([*PAIRS[:1], ("shark", "gerenuk"), *PAIRS[1:]], [1, 99, 5, 9])
    assert score == pytest.approx(1)


def test_pairs_may_be_a_table(animals):
    assert animals.score(pd.DataFrame(PAIRS), pd.Series([1, 5, 9])) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore:3 of 3 pairs are left out")
@pytest.mark.parametrize(
    ("pairs", "ratings", "message"),
    [
        ([], [], r"Expected pairs of terms, got an array of shape \(0,\)"),
        (["cat", "dog"], [1, 2], r"Expected pairs of terms, got an array of shape \(2,\)"),
        ([("a", "b", "c")], [1], r"Expected pairs of terms, got an array of shape \(1, 3\)"),
        (PAIRS, [1, 2], "inconsistent numbers of samples: .3, 2."),
        (PAIRS, [1, 2, 3, 4], "inconsistent numbers of samples: .3, 4."),
        (PAIRS, [1, 2, np.nan], "Input y contains NaN"),
        (PAIRS, ["a", "b", "c"], "is not compatible with arrays of bytes.strings"),
        ([("cat", "dog")] * 3, [1, 2, 3], "0 of 3 pairs of terms have vectors"),
    ],
)
def test_what_cannot_be_scored_is_refused(animals, pairs, ratings, message):
    with pytest.raises(ValueError, match=message):
        animals.score(pairs, ratings)
