import pickle
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skdevise import PretrainedEmbedder, SkipGramEmbedder
from skdevise.datasets import make_shapes
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.language import _fitting as fitting
from tests.language._small import TEXT, small, vectors_of

# As a scikit-learn estimator: check_estimator runs nothing for transformers of one-dimensional
# input, so that its facts stand here.


def test_fit_returns_the_embedder_and_leaves_the_parameters_alone():
    embedder = small(terms=["white shark"])
    before = embedder.get_params()
    assert embedder.fit(TEXT) is embedder
    assert embedder.get_params() == before


def test_init_stores_each_parameter_as_it_is():
    params = SkipGramEmbedder().get_params()
    values = {name: object() for name in params}
    stored = SkipGramEmbedder(**values).get_params(deep=False)
    assert all(stored[name] is value for name, value in values.items())


def test_the_defaults_are_those_of_the_paper():
    # Section 3.1 and the appendix: window of 20, hierarchical softmax, 155,000 terms, 500-D.
    params = SkipGramEmbedder().get_params()
    assert (params["vector_size"], params["window"]) == (500, 20)
    assert (params["hierarchical_softmax"], params["negative"]) == (True, 0)
    assert (params["max_vocab"], params["epochs"]) == (155_000, 1)


def test_a_clone_has_the_parameters_but_not_the_vectors():
    embedder = small(terms=["great white shark"], window=3).fit(TEXT)
    copied = clone(embedder)
    assert copied.get_params() == embedder.get_params()
    with pytest.raises(NotFittedError):
        copied.transform(["shark"])
    assert_array_equal(vectors_of(copied.fit(TEXT)), vectors_of(embedder))


def test_parameters_set_after_fit_count_from_the_next_fit_on():
    embedder = small().fit(TEXT)
    before = embedder.transform(["shark"])
    assert embedder.set_params(vector_size=3, terms=["great white shark"]) is embedder
    assert_array_equal(embedder.transform(["shark"]), before)
    assert len(embedder.get_feature_names_out()) == 6
    assert embedder.fit(TEXT).transform(["great white shark"]).shape == (1, 3)
    assert len(embedder.get_feature_names_out()) == 3


@pytest.mark.parametrize("fitted", [False, True])
def test_it_pickles(fitted):
    embedder = small().fit(TEXT) if fitted else small()
    again = pickle.loads(pickle.dumps(embedder))
    assert again.get_params() == embedder.get_params()
    if fitted:
        assert_array_equal(again.transform(["shark"]), embedder.transform(["shark"]))
        assert again.score([("sea", "sea"), ("sea", "eats")], [2, 1]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("transform", (["cat"],)),
        ("has_vector", (["cat"],)),
        ("has_term", (["cat"],)),
        ("predict", ([[0] * 6],)),
        ("most_similar", ("cat",)),
        ("score", ([("cat", "dog")], [1])),
        ("get_feature_names_out", ()),
    ],
)
def test_nothing_is_answered_before_fit(method, args):
    with pytest.raises(NotFittedError, match="SkipGramEmbedder"):
        getattr(small(), method)(*args)


def test_features_have_names():
    embedder = small(vector_size=2).set_output(transform="pandas").fit(TEXT)
    assert embedder.n_features_out_ == 2
    frame = embedder.transform(["shark", "sea"])
    assert frame.columns.tolist() == ["skipgramembedder0", "skipgramembedder1"]


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(SkipGramEmbedder(window=5)) == "SkipGramEmbedder(window=5)"


@pytest.mark.parametrize(
    "params",
    [
        {"vector_size": 0},
        {"window": 0},
        {"hierarchical_softmax": "yes"},
        {"negative": -1},
        {"sample": -0.1},
        {"min_count": 0},
        {"max_vocab": 0},
        {"epochs": 0},
        {"min_alpha": -1},
        {"model": "glove"},
        {"n_buckets": 0},
        {"always_keep": "yes"},
        {"phrases": 2},
        {"tokenizer": "punkt"},
        {"spool": "yes"},
        {"checkpoint": 7},
        {"alpha": 0},
        {"workers": 0},
        {"random_state": "seed"},
        {"verbose": -1},
    ],
)
def test_bad_parameters_are_refused_at_fit(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        small(**params).fit(TEXT)


@pytest.mark.parametrize("terms", ["shark", 7])
def test_what_is_no_terms_is_refused(terms):
    with pytest.raises(TypeError, match=f"got {terms!r}: pass a list"):
        small(terms=terms).fit(TEXT)


def test_the_learning_rate_does_not_rise():
    with pytest.raises(ValueError, match="from alpha=0.01 to min_alpha=0.1"):
        small(alpha=0.01, min_alpha=0.1).fit(TEXT)


def test_there_must_be_something_to_train_with():
    with pytest.raises(ValueError, match="leave nothing to train with"):
        small(hierarchical_softmax=False, negative=0).fit(TEXT)


# Reproducibility


@pytest.mark.parametrize("seed", [0, np.int64(3)])
def test_random_state_gives_the_same_vectors_each_time(seed):
    embedder = small(random_state=seed, negative=2, epochs=2)
    first = vectors_of(embedder.fit(TEXT)).copy()
    assert_array_equal(vectors_of(embedder.fit(TEXT)), first)
    other = embedder.set_params(random_state=1).fit(TEXT)
    assert not np.array_equal(vectors_of(other), first)


def test_random_state_alone_trains_in_one_thread(monkeypatch, shapes):
    # The text is long enough for gensim to share it out among threads.
    monkeypatch.setattr(fitting, "cpu_count", lambda: 8)
    embedder = small(epochs=3)
    first = vectors_of(embedder.fit(shapes.corpus)).copy()
    assert_array_equal(vectors_of(embedder.fit(shapes.corpus)), first)


def test_another_process_gives_the_same_vectors():
    # Its hashes of strings are other ones.
    code = (
        "from skdevise import SkipGramEmbedder;"
        "embedder = SkipGramEmbedder(6, min_count=1, terms=['white shark'], random_state=0);"
        f"print(embedder.fit({TEXT!r}).transform(['sea']).tobytes().hex())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = small(terms=["white shark"]).fit(TEXT).transform(["sea"])
    assert other.stdout.strip() == here.tobytes().hex()


def test_the_global_generator_is_left_alone():
    np.random.seed(0)
    expected = np.random.uniform()
    np.random.seed(0)
    small(random_state=5, negative=2).fit(TEXT)
    assert np.random.uniform() == expected


def test_several_threads_cannot_honour_a_random_state():
    with pytest.raises(ValueError, match=r"workers=2.*set workers=1 or random_state=None"):
        small(workers=2).fit(TEXT)
    small(workers=1).fit(TEXT)
    small(workers=2, random_state=None).fit(TEXT)


def test_progress_is_shown_where_it_is_asked_for(capsys):
    small(verbose=1).fit(TEXT)
    shown = capsys.readouterr().err
    assert "counting terms" in shown and "training vectors: 100%" in shown
    assert "words/s" in shown and "loss=" in shown
    small().fit(TEXT)
    assert capsys.readouterr().err == ""


# The vectors


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(1, n_sentences=2_000, random_state=0)


@pytest.fixture(scope="module")
def taught(shapes):
    """An embedder of the text about coloured shapes, each label one term."""
    return SkipGramEmbedder(
        vector_size=30, epochs=5, terms=shapes.target_names, random_state=0
    ).fit(shapes.corpus)


def test_it_answers_as_its_vectors_do(taught):
    assert isinstance(taught.vectors_, PretrainedEmbedder)
    vectors = taught.transform(["red circle", "Blue-star"])
    assert vectors.dtype == np.float32
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert taught.predict(vectors).tolist() == ["red circle", "blue star"]
    assert taught.most_similar("red", k=3) == taught.vectors_.most_similar("red", k=3)
    # "red" and "blue" are terms by themselves, "red blue" is composed of them.
    asked = ["red circle", "red blue", "gerenuk"]
    assert_array_equal(taught.has_vector(asked), [True, True, False])
    assert_array_equal(taught.has_term(asked), [True, False, False])
    with pytest.raises(LabelWithoutVectorError, match="1 of 2 terms has no vector: 'gerenuk'"):
        taught.transform(["red circle", "gerenuk"])


def test_labels_lie_near_those_that_share_a_half(taught, shapes):
    halves = [tuple(name.split()) for name in shapes.target_names]
    vectors = taught.transform(shapes.target_names)
    cosines = vectors @ vectors.T
    shared = np.array([[len({*a} & {*b}) for b in halves] for a in halves])
    assert cosines[shared == 1].mean() > cosines[shared == 0].mean() + 0.1


def test_cosines_rank_pairs_by_what_they_share(taught):
    # 3 for the words of a colour's or a shape's own sentences, 1 for those of another one.
    colours = {"red": "tomato", "green": "moss", "blue": "sky", "yellow": "lemon"}
    pairs = list(product(colours, colours.values()))
    ratings = [3 if colours[colour] == word else 1 for colour, word in pairs]
    assert taught.score(pairs, ratings) > 0.5


def test_terms_that_can_be_read_only_once_are_refused():
    with pytest.raises(TypeError, match="a second fit would lose them"):
        SkipGramEmbedder(terms=iter(["cat"])).fit(["cat dog"] * 9)
