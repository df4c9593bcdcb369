import logging
import lzma
import pickle
import re
import tempfile
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from tqdm import tqdm

from skdevise import LabelVocabulary, PretrainedEmbedder, SkipGramEmbedder
from skdevise._utils import draw_seed
from skdevise.datasets import make_shapes
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.language._corpus import write_shards
from skdevise.language._gensim import train_model

TEXT = [
    "The great white shark swims in the sea.",
    "A white whale swims in the sea, too.",
    "The great-white shark eats the whale!",
] * 3
NEGATIVE_SAMPLING = {"hierarchical_softmax": False, "negative": 2}


def small(**params):
    """Make an embedder that trains in no time and keeps all terms."""
    return SkipGramEmbedder(**{"vector_size": 6, "min_count": 1, "random_state": 0, **params})


def vectors_of(embedder):
    return embedder.vectors_.vectors[1]


def counts_of(embedder):
    return dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True))


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(1, n_sentences=2_000, random_state=0)


# The estimator. check_estimator skips transformers of one-dimensional input.


def test_fit_returns_the_embedder_and_keeps_its_parameters():
    embedder = small(terms=["white shark"])
    before = embedder.get_params()
    assert embedder.fit(TEXT) is embedder
    assert embedder.get_params() == before


def test_init_only_assigns():
    values = {name: object() for name in SkipGramEmbedder().get_params()}
    stored = SkipGramEmbedder(**values).get_params(deep=False)
    assert all(stored[name] is value for name, value in values.items())


def test_the_defaults_are_those_of_the_paper():
    # Section 3.1 and the appendix: window of 20, hierarchical softmax, 155,000 terms, 500-D.
    params = SkipGramEmbedder().get_params()
    assert (params["vector_size"], params["window"]) == (500, 20)
    assert (params["hierarchical_softmax"], params["negative"]) == (True, 0)
    assert (params["max_vocab"], params["max_epochs"]) == (155_000, 1)


def test_a_changed_parameter_takes_effect_at_the_next_fit():
    embedder = small().fit(TEXT)
    before = embedder.transform(["shark"])
    embedder.set_params(vector_size=3, terms=["great white shark"])
    assert_array_equal(embedder.transform(["shark"]), before)
    assert len(embedder.get_feature_names_out()) == 6
    assert embedder.fit(TEXT).transform(["great white shark"]).shape == (1, 3)
    assert len(embedder.get_feature_names_out()) == 3


@pytest.mark.parametrize("model", ["skip_gram", "fasttext"])
def test_a_fitted_embedder_pickles(model):
    embedder = small(model=model, n_buckets=100).fit(TEXT)
    again = pickle.loads(pickle.dumps(embedder))
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
def test_every_answer_needs_a_fit(method, args):
    with pytest.raises(NotFittedError, match="SkipGramEmbedder"):
        getattr(small(), method)(*args)


def test_features_have_names():
    embedder = small(vector_size=2).set_output(transform="pandas").fit(TEXT)
    assert embedder.n_features_out_ == 2
    frame = embedder.transform(["shark", "sea"])
    assert frame.columns.tolist() == ["skipgramembedder0", "skipgramembedder1"]


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
        {"max_epochs": 0},
        {"lr": 0},
        {"min_lr": 0},
        {"model": "glove"},
        {"n_buckets": 0},
        {"always_keep": "yes"},
        {"phrases": 2},
        {"tokenizer": "punkt"},
        {"checkpoint": 7},
        {"n_jobs": 0.5},
        {"random_state": "seed"},
        {"verbose": -1},
    ],
)
def test_invalid_parameters_are_errors(params):
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        small(**params).fit(TEXT)
    with pytest.raises(ValueError, match=f"The '{next(iter(params))}' parameter"):
        small().fit(TEXT).set_params(**params).partial_fit(TEXT)


@pytest.mark.parametrize("terms", ["shark", 7])
def test_terms_must_be_a_sequence(terms):
    with pytest.raises(TypeError, match=repr(terms)):
        small(terms=terms).fit(TEXT)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 0.01, "min_lr": 0.1}, "min_lr=0.1"),
        ({"hierarchical_softmax": False, "negative": 0}, "negative=0"),
        ({"n_jobs": 2}, "n_jobs=2"),
        ({"n_jobs": -1}, "n_jobs=-1"),
    ],
)
def test_parameters_that_contradict_each_other_are_errors(params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(TEXT)


# Reproducibility


@pytest.mark.parametrize("seed", [0, np.int64(3)])
def test_a_seed_gives_the_same_vectors_each_time(shapes, seed):
    # The text is long enough for gensim to divide it among several threads.
    embedder = small(random_state=seed, max_epochs=2, **NEGATIVE_SAMPLING)
    first = vectors_of(embedder.fit(shapes.corpus)).copy()
    assert_array_equal(vectors_of(embedder.fit(shapes.corpus)), first)
    other = embedder.set_params(random_state=1).fit(shapes.corpus)
    assert not np.array_equal(vectors_of(other), first)


def test_the_global_generator_is_not_used():
    np.random.seed(0)
    expected = np.random.uniform()
    np.random.seed(0)
    small(random_state=5, negative=2).fit(TEXT)
    assert np.random.uniform() == expected


def test_several_threads_train_as_well_as_one(shapes):
    text = shapes.corpus * 8  # 200,000 tokens, enough for two threads
    (one,) = small(vector_size=20).fit(text).loss_curve_
    (two,) = small(vector_size=20, random_state=None, n_jobs=2).fit(text).loss_curve_
    (untrained,) = small(vector_size=20, lr=1e-9, min_lr=1e-9).fit(text).loss_curve_
    assert two == pytest.approx(one, rel=0.1) and two < 0.9 * untrained


def test_verbose_shows_the_progress(capsys):
    small(verbose=1).fit(TEXT)
    shown = capsys.readouterr().err
    assert "counting terms" in shown and "training vectors: 100%" in shown
    assert "words/s" in shown and "loss=" in shown
    small().fit(TEXT)
    assert capsys.readouterr().err == ""


# The vectors


@pytest.fixture(scope="module")
def taught(shapes):
    """An embedder of the text about coloured shapes, in which each label is one term."""
    return SkipGramEmbedder(
        vector_size=30, max_epochs=5, terms=shapes.target_names, random_state=0
    ).fit(shapes.corpus)


def test_the_embedder_answers_as_its_vectors_do(taught):
    assert isinstance(taught.vectors_, PretrainedEmbedder)
    vectors = taught.transform(["red circle", "Blue-star"])
    assert vectors.dtype == np.float32
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert taught.predict(vectors).tolist() == ["red circle", "blue star"]
    assert taught.most_similar("red", k=3) == taught.vectors_.most_similar("red", k=3)
    # "red" and "blue" are terms; "red blue" is composed of them.
    asked = ["red circle", "red blue", "gerenuk"]
    assert_array_equal(taught.has_vector(asked), [True, True, False])
    assert_array_equal(taught.has_term(asked), [True, False, False])
    with pytest.raises(LabelWithoutVectorError, match="gerenuk"):
        taught.transform(["red circle", "gerenuk"])


def test_labels_that_share_a_word_have_similar_vectors(taught, shapes):
    halves = [tuple(name.split()) for name in shapes.target_names]
    vectors = taught.transform(shapes.target_names)
    cosines = vectors @ vectors.T
    shared = np.array([[len({*a} & {*b}) for b in halves] for a in halves])
    assert cosines[shared == 1].mean() > cosines[shared == 0].mean() + 0.1


def test_the_score_is_high_for_words_of_the_same_sentences(taught):
    colours = {"red": "tomato", "green": "moss", "blue": "sky", "yellow": "lemon"}
    pairs = list(product(colours, colours.values()))
    ratings = [3 if colours[colour] == word else 1 for colour, word in pairs]
    assert taught.score(pairs, ratings) > 0.5


@pytest.mark.parametrize("model", ["skip_gram", "cbow", "fasttext"])
@pytest.mark.parametrize("hierarchical_softmax", [True, False])
def test_the_vectors_are_those_of_gensim(model, hierarchical_softmax, tmp_path):
    params = {"vector_size": 6, "window": 3, "min_count": 1}
    params["negative"] = 0 if hierarchical_softmax else 3
    embedder = small(
        model=model, hierarchical_softmax=hierarchical_softmax, n_buckets=50, **params
    ).fit([text.lower().split() for text in TEXT])
    path = tmp_path / "text.txt"
    path.write_text("\n".join(TEXT).lower())
    reference = (FastText if model == "fasttext" else Word2Vec)(
        sg=int(model != "cbow"),
        hs=int(hierarchical_softmax),
        workers=1,
        seed=draw_seed(0),
        sorted_vocab=0,
        **params,
        **({"bucket": 50} if model == "fasttext" else {}),
    )
    reference.build_vocab_from_freq(counts_of(embedder))  # gensim orders equal counts differently
    reference.train(corpus_file=str(path), total_words=3 * (8 + 8 + 6), epochs=1)
    assert embedder.vectors_.terms_ == tuple(reference.wv.index_to_key)
    assert_array_equal(vectors_of(embedder), reference.wv.vectors)


def test_fasttext_gives_unseen_words_a_vector():
    embedder = small(model="fasttext", n_buckets=500).fit(TEXT)
    assert embedder.has_vector(["sharkskin", "whaler shark"]).all()
    assert not embedder.has_term(["sharkskin"]).any()
    assert np.linalg.norm(embedder.transform(["sharkskin"])) == pytest.approx(1)


@pytest.mark.parametrize("params", [{}, NEGATIVE_SAMPLING, {"model": "cbow"}])
def test_the_loss_falls(shapes, params):
    curve = small(vector_size=20, max_epochs=4, **params).fit(shapes.corpus).loss_curve_
    assert len(curve) == 4 and curve[-1] < curve[0]


def test_the_loss_is_that_of_the_model():
    # Untrained, each of the two terms has a vector near zero, and so a probability of 1/2: the
    # loss of each pair is log 2, up to gensim's table of logarithms. Each token is in one pair.
    embedder = small(lr=1e-9, min_lr=1e-9, sample=0).fit([["a", "b"]] * 50)
    assert embedder.loss_curve_ == [pytest.approx(np.log(2), rel=0.02)]


def test_fasttext_has_no_loss():
    assert np.isnan(small(model="fasttext", n_buckets=50).fit(TEXT).loss_curve_).all()


# The terms


def test_words_are_counted_without_case_and_punctuation():
    embedder = small().fit(TEXT)
    # Each of the three sentences occurs three times.
    assert counts_of(embedder) == {
        **dict.fromkeys(["the"], 15),
        **dict.fromkeys(["great", "shark", "swims", "in", "sea", "whale"], 6),
        **dict.fromkeys(["white"], 9),
        **dict.fromkeys(["a", "too", "eats"], 3),
    }
    assert (np.diff(embedder.counts_) <= 0).all()


def test_multi_word_terms_are_merged():
    terms = ["Great_White", "great white shark", "white whale", "blue whale"]
    embedder = small(terms=terms).fit(TEXT)
    counts = counts_of(embedder)
    assert (counts["great white shark"], counts["white whale"], counts["whale"]) == (6, 3, 3)
    # Each "great" and each "white" is part of a longer term; "blue whale" is not in the text.
    assert not {"great", "white", "great white", "blue whale"} & counts.keys()
    assert_array_equal(embedder.has_vector(["Great-white shark", "blue whale"]), [True, False])


def test_rare_words_get_no_vector_but_terms_do():
    text = [*TEXT, "an octopus"]
    assert_array_equal(
        small(min_count=3).fit(text).has_vector(["eats", "octopus", "an"]), [True, False, False]
    )
    assert_array_equal(
        small(min_count=3, terms=["Octopus"]).fit(text).has_vector(["octopus", "an"]), [True, False]
    )


def test_max_vocab_keeps_terms_and_then_the_most_frequent_words():
    assert small(max_vocab=2).fit(TEXT).vectors_.terms_ == ("the", "white")
    assert small(max_vocab=2, terms=["eats"]).fit(TEXT).vectors_.terms_ == ("the", "eats")
    both = small(max_vocab=1, terms=["eats", "too"]).fit(TEXT)
    assert set(both.vectors_.terms_) == {"eats", "too"}


def test_always_keep_false_treats_terms_like_words():
    embedder = small(min_count=3, terms=["Octopus", "white whale"], always_keep=False)
    embedder.fit([*TEXT, "an octopus"])
    assert embedder.has_term(["octopus", "white whale"]).tolist() == [False, True]


def test_coverage_counts_each_term():
    terms = ["Great_White", "great white shark", "whale", "octopus", "kraken"]
    embedder = small(min_count=3, terms=terms, always_keep=False).fit([*TEXT, "an octopus"])
    table = embedder.coverage_
    assert table.index.tolist() == terms
    # Each "great white" is part of a "great white shark", so it does not count.
    assert table["count"].tolist() == [0, 6, 6, 1, 0]
    assert table["has_own_vector"].tolist() == [False, True, True, False, False]


def test_the_terms_of_a_vocabulary_are_those_of_all_its_labels():
    vocabulary = LabelVocabulary(["fish", "whale"], [["great white shark", "shark"], "white whale"])
    embedder = small(terms=vocabulary).fit(TEXT)
    assert embedder.coverage_["count"].to_dict() == {
        "great white shark": 6,
        "shark": 0,
        "white whale": 3,
    }


def test_the_nouns_of_wordnet_are_merged():
    embedder = small(terms="wordnet").fit(["the Great white shark", "an electric eel"])
    assert {"great white shark", "electric eel"} <= set(embedder.vectors_.terms_)


def test_phrases_are_learned_after_terms_are_merged():
    # gensim's score is (20 - 5) / (20 * 20) times 404 distinct tokens and pairs, above 10.
    text = ["great white shark attack"] * 20 + ["w"] * 5 + [f"w{i}" for i in range(400)]
    embedder = small(terms=["great white shark"], phrases=True, min_count=5).fit(text)
    assert embedder.vectors_.terms_ == ("great white shark attack", "w")
    assert list(embedder.phrases_) == [("great white shark", "attack")]
    # `partial_fit` merges the phrases that `fit` learned.
    embedder.partial_fit(["great white shark attack"] * 5)
    assert embedder.counts_.tolist() == [25, 5]
    assert small(terms=["great white shark"]).fit(text).phrases_ == {}


def test_the_tokenizer_splits_text_and_terms():
    text = ["The U.S. in-line skate rolls."] * 2
    for tokenizer in ("treebank", str.split):
        embedder = small(tokenizer=tokenizer, terms=["in-line skate"]).fit(text)
        assert embedder.coverage_["count"].tolist() == [2]
        assert "u.s." in embedder.vectors_.terms_


# The text


def test_files_train_like_the_list_of_their_lines(tmp_path):
    expected = vectors_of(small().fit(TEXT))
    (tmp_path / "a.txt").write_text(TEXT[0])
    with lzma.open(tmp_path / "b.xz", "wt") as file:
        file.write("\n".join(TEXT[1:]))
    for X in (tmp_path, [tmp_path / "a.txt", tmp_path / "b.xz"], (line for line in TEXT)):
        assert_array_equal(vectors_of(small().fit(X)), expected)


def test_token_lists_train_like_the_text_they_come_from():
    documents = [["the", "cat", "sat"], ["the", "dog", "ran"]]
    texts = [" ".join(tokens) for tokens in documents]
    assert_array_equal(vectors_of(small().fit(documents)), vectors_of(small().fit(texts)))


def test_the_end_of_a_long_document_is_trained_too():
    # gensim alone would train on the first 10,000 tokens.
    embedder = small(sample=0).fit([["early"] * 12_000 + ["late", "later"] * 6_000])
    assert counts_of(embedder) == {"early": 12_000, "late": 6_000, "later": 6_000}
    # Untrained vectors lie within 1 / vector_size of zero in each dimension.
    assert np.abs(vectors_of(embedder)).max(axis=1).min() > 1 / 6


@pytest.mark.parametrize("text", [["a cat", 5], ["a cat", "a cat"]])
def test_no_file_remains_on_the_disk(text, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if 5 in text:
        with pytest.raises(TypeError):
            small().fit(text)
    else:
        small().fit(text)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        ([], {}, "0 tokens"),
        (["", "!"], {}, "0 tokens"),
        (["a b c"], {"min_count": 4}, "min_count=4"),
        (["a b b b"], {"max_vocab": 1}, "1 terms"),
    ],
)
def test_fewer_than_two_terms_are_an_error(text, params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(text)


# More text


def test_partial_fit_of_a_new_embedder_is_fit():
    assert_array_equal(vectors_of(small().partial_fit(TEXT)), vectors_of(small().fit(TEXT)))


@pytest.mark.parametrize(
    "params",
    [
        {"vector_size": 16},
        {"negative": 5},
        {"hierarchical_softmax": False, "negative": 5},
        {"model": "cbow"},
        {"model": "fasttext"},
        {"n_buckets": 7},
        {"phrases": True},
    ],
    ids=str,
)
def test_partial_fit_refuses_parameters_that_it_cannot_change(params):
    embedder = small().fit(TEXT)
    vectors = vectors_of(embedder)
    with pytest.raises(ValueError, match=next(iter(params))):
        embedder.set_params(**params).partial_fit(TEXT)
    assert_array_equal(vectors_of(embedder), vectors)


@pytest.mark.parametrize("params", [{"model": "cbow"}, {"model": "fasttext", "n_buckets": 100}, {}])
def test_partial_fit_learns_new_terms_and_keeps_the_old_ones(params):
    embedder = small(sample=0, **NEGATIVE_SAMPLING, **params).fit(TEXT)
    terms, before, table = embedder.vectors_.terms_, embedder.transform(["sea"]), embedder.vectors_
    embedder.set_params(terms=["giant squid"], min_count=2)
    embedder.partial_fit(["the giant squid swims in the deep deep sea", "a squid"] * 4)
    assert set(embedder.vectors_.terms_) == {*terms, "giant squid", "deep", "squid"}
    counts = counts_of(embedder)
    assert (counts["the"], counts["deep"], counts["giant squid"]) == (15 + 8, 8, 4)
    assert (np.diff(embedder.counts_) <= 0).all()
    assert embedder.coverage_["count"].to_dict() == {"giant squid": 4}
    # The old terms are trained further, and the table of `fit` does not change.
    assert not np.array_equal(embedder.transform(["sea"]), before)
    assert_array_equal(table.transform(["sea"]), before)


def test_partial_fit_of_a_hierarchical_softmax_keeps_its_terms_and_warns():
    embedder = small(sample=0).fit(TEXT)
    terms, before = set(embedder.vectors_.terms_), embedder.transform(["sea"])
    embedder.set_params(terms=["giant squid"])
    with pytest.warns(UserWarning, match="2 new terms .*'giant squid'"):
        embedder.partial_fit(["the giant squid swims in the deep sea"] * 4)
    assert set(embedder.vectors_.terms_) == terms
    assert counts_of(embedder)["the"] == 15 + 8
    assert not np.array_equal(embedder.transform(["sea"]), before)
    assert embedder.coverage_.loc["giant squid"].tolist() == [4, False]


@pytest.mark.parametrize("params", [{}, NEGATIVE_SAMPLING])
def test_partial_fit_lowers_the_loss_on_the_same_text(shapes, params):
    embedder = small(vector_size=20, **params).fit(shapes.corpus)
    (before,) = embedder.loss_curve_
    embedder.partial_fit(shapes.corpus)
    assert embedder.loss_curve_[-1] < before


def test_coverage_adds_up_over_calls():
    embedder = small(terms=["whale"]).fit(["a whale"] * 20)
    embedder.set_params(terms=["whale", "a", "squid"]).partial_fit(["whale"] * 5)
    assert embedder.coverage_["count"].to_dict() == {"whale": 25, "a": 20, "squid": 0}


def test_new_terms_fill_the_vocabulary_up_to_max_vocab():
    embedder = small(max_vocab=3, **NEGATIVE_SAMPLING).fit(["a a a b b"])
    embedder.partial_fit(["x x y"])
    assert embedder.vectors_.terms_ == ("a", "b", "x")
    with pytest.raises(ValueError, match="1 tokens"):
        embedder.partial_fit(["z"])


# Interrupted training


class Interrupted(Exception):
    pass


class EpochLog(logging.Handler):
    """Count the trainings that gensim reports, and raise after some of them."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.stop_after = stop_after
        self.n_trainings = 0

    def emit(self, record):
        if record.msg.startswith("EPOCH"):
            self.n_trainings += 1
            if self.n_trainings == self.stop_after:
                raise Interrupted


@pytest.fixture
def gensim_log():
    """Attach a handler to gensim's logger."""
    logger = logging.getLogger("gensim.models.word2vec")
    level, handlers = logger.level, []

    def attach(handler):
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        handlers.append(handler)
        return handler

    yield attach
    for handler in handlers:
        logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.parametrize(
    "params",
    [{}, {"model": "cbow", **NEGATIVE_SAMPLING}, {"model": "fasttext", "n_buckets": 100}],
)
def test_an_interrupted_fit_continues_after_the_last_finished_shard(
    params, tmp_path, gensim_log, shapes
):
    expected = small(max_epochs=5, **params).fit(shapes.corpus)
    # In each epoch gensim trains once on the only shard, and once more to measure the loss. The
    # fifth training is that of the third epoch, so two epochs are saved.
    handler = gensim_log(EpochLog(stop_after=5))
    with pytest.raises(Interrupted):
        small(max_epochs=5, checkpoint=tmp_path, **params).fit(shapes.corpus)
    assert len(list(tmp_path.iterdir())) == 1

    handler.n_trainings, handler.stop_after = 0, None
    continued = small(max_epochs=5, checkpoint=tmp_path, **params).fit(shapes.corpus)
    assert handler.n_trainings == 3 * 2
    assert_array_equal(vectors_of(continued), vectors_of(expected))
    assert_array_equal(continued.loss_curve_, expected.loss_curve_)

    handler.n_trainings = 0
    again = small(max_epochs=5, checkpoint=tmp_path, **params).fit(shapes.corpus)
    assert handler.n_trainings == 0  # A finished fit is not repeated.
    assert_array_equal(vectors_of(again), vectors_of(expected))


class RecordingModel:
    """Stand-in for a gensim model that records the learning rates of each training."""

    def __init__(self, n_trainings=None, n_terms=3):
        self.rates, self.n_trainings = [], n_trainings
        self.random = np.random.RandomState(0)
        self.wv = SimpleNamespace(vectors=np.zeros((n_terms, 2), dtype=np.float32))

    def train(self, corpus_file, total_words, start_alpha, end_alpha, **options):
        if start_alpha < 1e-9:  # The loss is measured without training.
            return total_words, total_words
        if len(self.rates) == self.n_trainings:
            raise Interrupted
        self.rates.append((round(start_alpha, 9), round(end_alpha, 9)))
        self.wv.vectors += 1

    def get_latest_training_loss(self):
        return 1.0


def test_the_learning_rate_falls_over_all_shards_and_epochs(tmp_path):
    # Three shards of 4, 4 and 2 tokens in two epochs: 20 tokens in all.
    shards, _ = write_shards([["a"] * 4, ["b"] * 4, ["c"] * 2], tmp_path / "shards", shard_tokens=4)
    expected = [(1, 0.8), (0.8, 0.6), (0.6, 0.5), (0.5, 0.3), (0.3, 0.1), (0.1, 0)]
    params = {"max_epochs": 2, "lr": 1, "min_lr": 0, "n_threads": 1}
    params["progress_bar"] = partial(tqdm, disable=True)
    model, losses = train_model(RecordingModel(), shards, **params)
    assert model.rates == expected and len(losses) == 2

    # Interrupted in the fourth training, it continues with the fourth shard.
    params["checkpoint"] = tmp_path / "fit.safetensors"
    with pytest.raises(Interrupted):
        train_model(RecordingModel(n_trainings=3), shards, **params)
    model, losses = train_model(RecordingModel(), shards, **params)
    assert model.rates == expected[3:] and len(losses) == 2
    assert (model.wv.vectors == 6).all()  # Each training adds 1.


def test_a_checkpoint_that_is_damaged_or_of_another_model_is_refused(tmp_path):
    shards, _ = write_shards([["a"] * 4], tmp_path / "shards")
    path = tmp_path / "fit.safetensors"
    params = {"max_epochs": 1, "lr": 1, "min_lr": 0, "n_threads": 1, "checkpoint": path}
    params["progress_bar"] = partial(tqdm, disable=True)
    train_model(RecordingModel(), shards, **params)
    # The compiled code of gensim would read outside of a smaller array.
    with pytest.raises(ValueError, match=re.escape(str(path))):
        train_model(RecordingModel(n_terms=4), shards, **params)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        train_model(RecordingModel(), shards, **params | {"max_epochs": 0})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        train_model(RecordingModel(), shards, **params)


def test_each_training_has_its_own_checkpoint(tmp_path):
    def fit(text=("a b",), **params):
        small(checkpoint=tmp_path, **params).fit(list(text))
        return len(list(tmp_path.iterdir()))

    assert fit() == 1
    different = (
        {"window": 3},
        {"negative": 2},
        {"lr": 0.1},
        {"max_epochs": 2},
        {"random_state": 1},
    )
    assert [fit(**params) for params in different] == [2, 3, 4, 5, 6]
    assert fit(["a c"]) == 7
    # These parameters lead to the same training.
    assert fit(n_jobs=1, tokenizer=str.split, verbose=0) == 7


def test_a_checkpoint_that_is_a_file_is_an_error_before_the_text_is_read(tmp_path):
    (tmp_path / "file").write_text("")
    text = iter(TEXT)
    with pytest.raises(ValueError, match="file"):
        small(checkpoint=tmp_path / "file").fit(text)
    assert next(text) == TEXT[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_partial_fit_does_not_change_the_embedder(error, gensim_log):
    embedder = small(sample=0).fit(TEXT)
    before = pickle.dumps(embedder)

    class Failing(logging.Handler):
        def emit(self, record):
            if record.msg.startswith("EPOCH"):
                raise error

    gensim_log(Failing())
    with pytest.raises(error):
        embedder.partial_fit(TEXT)
    assert pickle.dumps(embedder) == before
