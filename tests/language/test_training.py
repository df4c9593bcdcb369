"""The models that SkipGramEmbedder trains, further training, and checkpoints."""

import pickle

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec
from numpy.testing import assert_array_equal

from skdevise._utils import draw_seed
from skdevise.datasets import make_shapes
from skdevise.language import _checkpoint as checkpoint
from skdevise.language import _training as training
from skdevise.language._terms import words_of
from tests.language._small import TEXT, small, vectors_of


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(1, n_sentences=2_000, random_state=0)


@pytest.mark.parametrize("model", ["skip_gram", "cbow", "fasttext"])
@pytest.mark.parametrize(("hierarchical_softmax", "negative"), [(True, 0), (False, 3)])
def test_each_model_is_gensims(model, hierarchical_softmax, negative):
    # The text fits one batch, so that gensim's own way of training it has the same learning rate.
    params = {"vector_size": 6, "window": 3, "negative": negative, "min_count": 1, "epochs": 1}
    embedder = small(
        model=model, hierarchical_softmax=hierarchical_softmax, n_buckets=50, **params
    ).fit(TEXT)
    own = {"bucket": 50} if model == "fasttext" else {}
    theirs = (FastText if model == "fasttext" else Word2Vec)(
        sg=int(model != "cbow"),
        hs=int(hierarchical_softmax),
        workers=1,
        seed=draw_seed(0),
        **params,
        **own,
    )
    documents = [words_of(line) for line in TEXT]
    # Terms of the same frequency have another order there.
    count_of = dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True))
    theirs.build_vocab_from_freq(dict(reversed(count_of.items())), corpus_count=len(TEXT))
    theirs.train(documents, total_examples=len(TEXT), epochs=1)
    assert embedder.vectors_.terms_ == tuple(theirs.wv.index_to_key)
    assert_array_equal(vectors_of(embedder), theirs.wv.vectors)
    assert np.isnan(embedder.loss_curve_[0]) == (model == "fasttext")


def test_subwords_give_a_label_that_was_never_seen_a_vector():
    embedder = small(model="fasttext", n_buckets=500).fit(TEXT)
    assert embedder.has_vector(["sharkskin", "whaler shark"]).all()
    assert not embedder.has_term(["sharkskin"]).any()
    assert np.linalg.norm(embedder.transform(["sharkskin"])) == pytest.approx(1)
    again = pickle.loads(pickle.dumps(embedder))
    assert_array_equal(again.transform(["sharkskin"]), embedder.transform(["sharkskin"]))


@pytest.mark.parametrize("params", [{}, {"hierarchical_softmax": False, "negative": 2}])
def test_the_loss_falls(shapes, params):
    curve = small(vector_size=20, epochs=4, **params).fit(shapes.corpus).loss_curve_
    assert len(curve) == 4 and curve[-1] < curve[0]


def test_partial_fit_begins_where_there_is_nothing():
    assert_array_equal(vectors_of(small().partial_fit(TEXT)), vectors_of(small().fit(TEXT)))


@pytest.mark.parametrize(
    "params",
    [
        {"model": "skip_gram"},
        {"model": "cbow", "hierarchical_softmax": False, "negative": 2},
        {"model": "fasttext", "n_buckets": 100},
    ],
)
def test_partial_fit_learns_new_words_and_keeps_the_old_ones(params):
    embedder = small(sample=0, **params).fit(TEXT)
    terms, before, table = embedder.vectors_.terms_, embedder.transform(["sea"]), embedder.vectors_
    embedder.set_params(terms=["giant squid"], min_count=2)
    embedder.partial_fit(["the giant squid swims in the deep deep sea", "a squid"] * 4)
    assert set(embedder.vectors_.terms_) == {*terms, "giant squid", "deep", "squid"}
    counts = dict(zip(embedder.vectors_.terms_, embedder.counts_.tolist(), strict=True))
    assert (counts["the"], counts["deep"], counts["giant squid"]) == (15 + 8, 8, 4)
    assert (np.diff(embedder.counts_) <= 0).all()
    assert embedder.coverage_["count"].to_dict() == {"giant squid": 4}
    # Words of both texts went on, and the table of before was left alone.
    assert not np.array_equal(embedder.transform(["sea"]), before)
    assert_array_equal(table.transform(["sea"]), before)


def test_terms_that_were_not_asked_for_have_been_counted():
    embedder = small(terms=["whale"]).fit(["a whale"] * 20)
    embedder.set_params(terms=["sea"]).partial_fit(["whale sea"] * 10)
    embedder.set_params(terms=["whale", "sea", "squid"]).partial_fit(["whale"] * 5)
    assert embedder.coverage_["count"].to_dict() == {"whale": 35, "sea": 10, "squid": 0}
    assert embedder.coverage_["count"].dtype == int


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("alpha", -1.0), ("window", 0), ("tokenizer", "foo")]
)
def test_what_was_changed_for_further_training_is_checked(name, value):
    embedder = small().fit(TEXT)
    counts = embedder.counts_.copy()
    with pytest.raises(ValueError, match=f"The {name!r} parameter"):
        embedder.set_params(**{name: value}).partial_fit(TEXT)
    assert_array_equal(embedder.counts_, counts)


def test_partial_fit_without_new_words_is_more_training():
    embedder = small(alpha=0.05, sample=0).fit(TEXT)
    tree = [code.tolist() for code in embedder.model_.wv.expandos["code"]]
    embedder.partial_fit(TEXT[:3])
    assert [code.tolist() for code in embedder.model_.wv.expandos["code"]] == tree
    assert embedder.counts_[0] == 15 + 5


def test_new_words_leave_the_inner_nodes_of_the_old_ones_alone():
    embedder = small(sample=0).fit(TEXT)
    old = embedder.model_
    for text in (["x y z y z z"], ["w"]):  # one new word is a tree without an inner node
        embedder.partial_fit(text)
    wv = embedder.model_.wv
    for term in old.wv.index_to_key:
        for name in ("code", "point"):
            was, now = old.wv.get_vecattr(term, name), wv.get_vecattr(term, name)
            assert_array_equal(now[2:], was)
    # A prefix code, so that the probabilities of all terms add up to one.
    codes = ["".join(map(str, code)) for code in wv.expandos["code"]]
    assert sum(0.5 ** len(code) for code in codes) == 1 and len(set(codes)) == len(codes)
    assert max(point.max() for point in wv.expandos["point"]) == len(codes) - 2
    # What is new was trained.
    assert embedder.model_.syn1[: len(codes) - 1].any(axis=1)[-3:].any()


def test_room_for_new_words_is_what_the_lexicon_leaves():
    embedder = small(max_vocab=3).fit(["a a a b b"])
    embedder.partial_fit(["x x y"])
    assert embedder.vectors_.terms_ == ("a", "b", "x")
    with pytest.raises(ValueError, match="No term occurs"):
        embedder.partial_fit(["z z z z"])


def test_what_shapes_the_model_cannot_change_on_the_way():
    embedder = small().fit(TEXT).set_params(vector_size=5, negative=3)
    with pytest.raises(ValueError, match="vector_size, negative cannot change.*vector_size=6"):
        embedder.partial_fit(TEXT)
    assert vectors_of(embedder).shape[1] == 6


class Interrupted(Exception):
    pass


def interrupt_after(n_saves, monkeypatch):
    """Break off a training once it has written its state so often."""
    save, saved = checkpoint.TrainingFile.save, []

    def save_and_break_off(self, arrays):
        save(self, arrays)
        saved.append(True)
        if len(saved) == n_saves:
            raise Interrupted

    monkeypatch.setattr(checkpoint.TrainingFile, "save", save_and_break_off)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"hierarchical_softmax": False, "negative": 2, "model": "cbow"},
        {"model": "fasttext", "n_buckets": 100},
    ],
)
@pytest.mark.parametrize("n_saves", [1, 3, 4])
def test_an_interrupted_fit_goes_on_as_if_nothing_had_happened(
    params, n_saves, tmp_path, monkeypatch, shapes
):
    # Of the 25,000 tokens each epoch takes three batches, and the state is written after each.
    text = shapes.corpus
    expected = small(epochs=2, **params).fit(text)
    monkeypatch.setattr(training, "_SAVE_EVERY", -1)
    with monkeypatch.context() as patched:
        interrupt_after(n_saves, patched)
        with pytest.raises(Interrupted):
            small(epochs=2, checkpoint=tmp_path, **params).fit(text)
    again = small(epochs=2, checkpoint=tmp_path, **params).fit(text)
    assert_array_equal(vectors_of(again), vectors_of(expected))
    assert_array_equal(again.loss_curve_, expected.loss_curve_)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_an_interrupted_fit_with_several_threads_trains_what_is_left(tmp_path, monkeypatch, shapes):
    params = {"epochs": 2, "workers": 2, "random_state": None, "sample": 0}
    monkeypatch.setattr(training, "_SAVE_EVERY", -1)
    with monkeypatch.context() as patched:
        interrupt_after(1, patched)
        with pytest.raises(Interrupted):
            small(checkpoint=tmp_path, **params).fit(shapes.corpus)
    trained = []
    train_job = Word2Vec._do_train_job

    def count(self, documents, *args):
        trained.append(sum(map(len, documents)))
        return train_job(self, documents, *args)

    monkeypatch.setattr(Word2Vec, "_do_train_job", count)
    embedder = small(checkpoint=tmp_path, **params).fit(shapes.corpus)
    total = 2 * embedder.counts_.sum()
    assert 0 < sum(trained) < total
    # Each thread was at one batch of 10,000 tokens when the state was written.
    assert total - sum(trained) <= 2 * 10_000
    assert len(embedder.loss_curve_) == 2
    # What has ended is not trained again.
    trained.clear()
    again = small(checkpoint=tmp_path, **params).fit(shapes.corpus)
    assert trained == []
    assert_array_equal(vectors_of(again), vectors_of(embedder))


def test_an_error_in_one_thread_ends_the_fit(monkeypatch, shapes):
    def fail(*args):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Word2Vec, "_do_train_job", fail)
    embedder = small(workers=2, random_state=None)
    with pytest.raises(RuntimeError, match="out of memory"):
        embedder.fit(shapes.corpus)
    assert not hasattr(embedder, "vectors_")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_further_training_that_breaks_off_leaves_the_embedder_as_it_was(error, monkeypatch):
    embedder = small(sample=0).fit(TEXT)
    before = pickle.dumps(embedder)
    train_job = Word2Vec._do_train_job

    def train_and_fail(self, *args):
        train_job(self, *args)
        raise error

    with monkeypatch.context() as patched, pytest.raises(error):
        patched.setattr(Word2Vec, "_do_train_job", train_and_fail)
        embedder.partial_fit(["a giant squid"])
    assert pickle.dumps(embedder) == before
