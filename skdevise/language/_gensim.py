"""gensim models: how they are made, extended, trained on shards, and read."""

import copy
import math
from itertools import accumulate

import numpy as np

from skdevise import _storage
from skdevise._bounded import parsing
from skdevise._utils import draw_seed, warn
from skdevise.language._corpus import LINE_TOKENS, as_term, choose_vocabulary, read_shards
from skdevise.language._io import Subwords
from skdevise.language._pretrained import PretrainedEmbedder

# A thread of gensim may train up to 10,000 tokens too many, so its part must be far larger.
_TOKENS_PER_THREAD = 100_000

# gensim adds up the loss in single precision, which is exact enough for this many tokens.
_LOSS_TOKENS = 10_000

# Arrays of a model, and of its vectors, that training changes. The vocabulary determines the rest.
_WEIGHTS = ("syn1", "syn1neg")
_VECTORS = ("vectors", "vectors_vocab", "vectors_ngrams")


def terms_to_learn(counts, wanted, min_count, max_vocab, model=None):
    """Return {key: count} of the keys that a new model, or `model`, can learn from a text."""
    known = set() if model is None else set(model.wv.key_to_index)
    room = max_vocab - len(known - set(counts))
    vocabulary = choose_vocabulary(counts, wanted | known, min_count, room)
    if model is not None and model.hs:
        new = [as_term(key) for key in vocabulary if key not in known]
        vocabulary = {key: n for key, n in vocabulary.items() if key in known}
        if new:
            warn(
                f"The hierarchical softmax cannot learn the {len(new)} new terms of the text, "
                f"such as {', '.join(map(repr, new[:5]))}. To add terms, fit with "
                "hierarchical_softmax=False and negative=5.",
            )
    if len(vocabulary) < (2 if model is None else 1):
        raise ValueError(
            f"The text has {counts.total()} tokens, and min_count={min_count} leaves "
            f"{len(vocabulary)} terms to train. Give more text, or lower min_count."
        )
    return vocabulary


def make_model(vocabulary, params):
    """Make an untrained gensim model of {key: count}, with the parameters of an embedder."""
    from gensim.models import FastText, Word2Vec

    options = {name: params[name] for name in ("vector_size", "window", "negative", "sample")}
    options |= {"hs": int(params["hierarchical_softmax"]), "sg": int(params["model"] != "cbow")}
    options |= {"alpha": params["lr"], "min_alpha": params["min_lr"]}
    # The caller has sorted and cut the vocabulary.
    options |= {"min_count": 1, "sorted_vocab": 0, "seed": draw_seed(params["random_state"])}
    if params["model"] == "fasttext":
        model = FastText(bucket=params["n_buckets"], **options)
    else:
        model = Word2Vec(**options)
    model.build_vocab_from_freq(vocabulary)
    return model


def extend_model(model, vocabulary, window, sample):
    """Return a copy of the model with more counts, and new terms unless its softmax is a tree."""
    model = copy.deepcopy(model)
    model.window, model.sample = window, sample
    if model.hs:
        # gensim would make a new Huffman tree, but the nodes were trained for the old one.
        for key, n in vocabulary.items():
            model.wv.set_vecattr(key, "count", model.wv.get_vecattr(key, "count") + n)
    else:
        model.build_vocab_from_freq(vocabulary, update=True)
    return model


def train_model(model, shards, *, max_epochs, lr, min_lr, n_threads, checkpoint=None, progress_bar):
    """Train on shards {path: number of tokens}, or resume a checkpoint: model, loss curve."""
    losses, n_finished = [], 0
    steps = list(shards.items()) * max_epochs
    if checkpoint is not None and checkpoint.exists():
        losses, n_finished = _resume(model, checkpoint, len(steps))
    sample = _write_sample(shards)
    n_before = list(accumulate((n_tokens for _, n_tokens in steps), initial=0))
    rates = lr - (lr - min_lr) * np.array(n_before) / n_before[-1]
    with progress_bar(total=n_before[-1], initial=n_before[n_finished]) as bar:
        for step in range(n_finished, len(steps)):
            path, n_tokens = steps[step]
            model.workers = min(n_threads, 1 + n_tokens // _TOKENS_PER_THREAD)
            model.train(
                corpus_file=str(path),
                total_words=n_tokens,
                epochs=1,
                start_alpha=rates[step],
                end_alpha=rates[step + 1],
            )
            if (step + 1) % len(shards) == 0:
                losses.append(_mean_loss(model, *sample))
                bar.set_postfix(loss=f"{losses[-1]:.3g}", refresh=False)
            if checkpoint is not None:
                _save_checkpoint(model, losses, step + 1, checkpoint)
            bar.update(n_tokens)
    return model, losses


def _save_checkpoint(model, losses, n_finished, path):
    """Save the state after a shard."""
    state = {"weights": _weights(model), "random": model.random}
    _storage.write_checkpoint(state | {"losses": losses, "n_finished": n_finished}, path)


def _resume(model, path, n_steps):
    """Give a new model the saved state; return the losses and the number of finished shards."""
    with parsing(path, "Delete this checkpoint to train from the start."):
        state = _storage.read(path)
        weights, saved = _weights(model), state["weights"]
        # gensim's compiled code does not check the shapes of arrays.
        shapes = [{name: np.shape(rows) for name, rows in w.items()} for w in (weights, saved)]
        is_random = isinstance(state["random"], np.random.RandomState)
        if shapes[0] != shapes[1] or not is_random or not 0 <= state["n_finished"] <= n_steps:
            raise ValueError("It belongs to another training")
        for name, rows in weights.items():
            rows[...] = saved[name]
        model.random = state["random"]
        return list(state["losses"]), state["n_finished"]


def _weights(model):
    """Return the arrays that training changes: dict by name."""
    owners = [(model, name) for name in _WEIGHTS] + [(model.wv, name) for name in _VECTORS]
    return {name: vars(owner)[name] for owner, name in owners if name in vars(owner)}


def _write_sample(shards):
    """Copy the first lines of the text to a file; return its path and its number of tokens."""
    path, n_tokens = next(iter(shards)).with_name("sample.txt"), 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for keys in read_shards(shards):
            file.write(" ".join(keys) + "\n")
            n_tokens += len(keys)
            if n_tokens >= _LOSS_TOKENS - LINE_TOKENS:
                break
    return path, n_tokens


def _mean_loss(model, path, n_tokens):
    """Return the mean loss of a token in a file; NaN if gensim does not compute the loss."""
    model.workers = 1
    # gensim computes the loss only while it trains. This learning rate changes no vector.
    n_trained, _ = model.train(
        corpus_file=str(path),
        total_words=n_tokens,
        epochs=1,
        start_alpha=1e-30,
        end_alpha=1e-30,
        compute_loss=True,
    )
    return float(model.get_latest_training_loss() / max(n_trained, 1)) or math.nan


def read_model(model):
    """Return the counts (n_terms,) and a PretrainedEmbedder, the most frequent term first."""
    wv = model.wv
    counts = np.array([wv.get_vecattr(key, "count") for key in wv.index_to_key])
    terms, vectors = list(map(as_term, wv.index_to_key)), wv.vectors
    if (np.diff(counts) > 0).any():  # Otherwise the model and the embedder share the vectors.
        order = np.argsort(-counts, kind="stable")
        counts, terms, vectors = counts[order], [terms[row] for row in order], vectors[order]
    return counts, PretrainedEmbedder((terms, vectors, Subwords.of(wv)))
