"""Random term vectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skdevise import RandomEmbedder

TERMS = st.lists(st.text(), min_size=1, max_size=8)


@settings(deadline=None, max_examples=50)
@given(TERMS, st.integers(-5, 2**40), st.randoms(use_true_random=False))
def test_a_vector_depends_only_on_the_term_and_the_seed(terms, seed, random):
    embedder = RandomEmbedder(vector_size=4, random_state=seed)
    alone = {term: embedder.transform([term])[0] for term in terms}
    random.shuffle(terms)
    together = RandomEmbedder(vector_size=4, random_state=seed).transform(terms)
    assert_array_equal(together, [alone[term] for term in terms])


def test_other_seeds_and_terms_give_other_vectors():
    vectors = [
        RandomEmbedder(random_state=seed).transform([term])[0]
        for seed in (0, 1, 10)
        for term in ("cat", "Cat", "0cat")
    ]
    assert len({vector.tobytes() for vector in vectors}) == 9


def test_rows_have_unit_length_and_are_nearly_orthogonal():
    vectors = RandomEmbedder(vector_size=500).transform([f"term {i}" for i in range(300)])
    assert vectors.dtype == np.float32
    cosines = vectors @ vectors.T
    assert_allclose(np.diag(cosines), 1, rtol=1e-5)
    other_cosines = cosines[~np.eye(300, dtype=bool)]
    # Cosines of random directions have mean 0 and standard deviation 1 / sqrt(500) = 0.045.
    assert abs(other_cosines.mean()) < 0.005
    assert other_cosines.std() == pytest.approx(500**-0.5, rel=0.05)
    assert np.abs(other_cosines).max() < 0.3


def test_all_coordinates_have_the_same_distribution():
    # The four squared coordinates of a unit vector sum to 1, so their mean is 1 / 4.
    vectors = RandomEmbedder(vector_size=4).transform(range(4_000))
    assert_allclose((vectors**2).mean(axis=0), 0.25, atol=0.02)
    assert_allclose(vectors.mean(axis=0), 0, atol=0.04)


def test_every_term_has_a_vector():
    embedder = RandomEmbedder(vector_size=4)
    assert_array_equal(embedder.has_vector(["cat", ""]), [True, True])
    assert_array_equal(embedder.has_term(["white shark", ""]), [True, True])
    assert embedder.transform([]).shape == (0, 4)


def test_a_lone_surrogate_is_a_term():
    vectors = RandomEmbedder(vector_size=4).transform(["\ud800", "\ud801"])
    assert not np.array_equal(*vectors)


def test_a_string_is_not_a_list_of_letters():
    with pytest.raises(TypeError, match="cat"):
        RandomEmbedder().transform("cat")


@pytest.mark.parametrize(
    "params", [{"vector_size": 0}, {"vector_size": 2.5}, {"random_state": None}]
)
@pytest.mark.parametrize("method", ["fit", "transform"])
def test_parameters_are_validated(params, method):
    with pytest.raises(ValueError, match=next(iter(params))):
        getattr(RandomEmbedder(**params), method)(["cat"])


def test_parameters_can_be_set_at_any_time():
    embedder = RandomEmbedder(vector_size=4)
    embedder.transform(["cat"])
    assert embedder.set_params(vector_size=2).transform(["cat"]).shape == (1, 2)


def test_vectors_are_the_same_in_every_version():
    # Results of the random baseline can be reproduced only if this never changes.
    vector = RandomEmbedder(vector_size=4, random_state=0).transform(["cat"])[0]
    assert_allclose(vector, [0.444155, 0.394638, -0.112368, -0.796468], atol=1e-6)
