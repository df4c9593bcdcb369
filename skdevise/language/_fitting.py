"""The steps of fitting term vectors, with the parameters of a `SkipGramEmbedder`."""

from contextlib import ExitStack, contextmanager

import numpy as np
from joblib import cpu_count

from skdevise._utils import content_hash, draw_seed
from skdevise.language._checkpoint import TrainingFile
from skdevise.language._corpus import Corpus
from skdevise.language._gensim_models import extend_model, make_model
from skdevise.language._lexicon import choose_lexicon, terms_to_merge
from skdevise.language._merging import NamedTerms, PhraseMerger
from skdevise.language._phrases import learn_phrases, merged_pairs
from skdevise.language._token_file import TokenFile
from skdevise.language._tokenizers import as_tokenizer
from skdevise.language._training import Training

# What a model is made of; the rest can change when it is trained further.
SHAPE = ("model", "vector_size", "hierarchical_softmax", "negative", "n_buckets")

# What makes trainings on the same tokens differ.
_TRAINING = (*SHAPE, "window", "sample", "epochs", "alpha", "min_alpha", "random_state")


@contextmanager
def read_text(params, X, learned):
    """Read text into a file of tokens, with terms and learned phrases merged.

    Parameters
    ----------
    params : SkipGramEmbedder
    X : text in any form that a `Corpus` takes
    learned : dict of (str, str) to float, or None
        Phrases that were learned before; None to learn them now if `params.phrases`.

    Yields
    ------
    file : TokenFile
        Gone at the end, whatever happens.
    named : NamedTerms
    phrases : dict of (str, str) to float
        Those that are merged.
    """
    split = as_tokenizer(params.tokenizer)
    named = NamedTerms(terms_to_merge(params.terms), split)
    documents = Corpus(X, split, once=params.spool)

    def read(documents, *merged):
        for phrases in filter(None, merged):
            documents = map(PhraseMerger(phrases), documents)
        with progress_bar(params, desc="counting terms") as bar:
            return TokenFile(documents, bar.update)

    with ExitStack() as files:
        file = files.enter_context(read(documents, named.phrases, merged_pairs(learned or ())))
        if learned is None and params.phrases:
            learned = learn_phrases(file.documents(), params.min_count)
            file = files.enter_context(read(file.documents(), merged_pairs(learned)))
        yield file, named, learned or {}


def kept_tokens(params, file, named, before):
    """Tell which tokens of a file get a vector, or have one.

    Parameters
    ----------
    params : SkipGramEmbedder
    file : TokenFile
    named : NamedTerms
    before : gensim model or None
        The one that is trained further.

    Returns
    -------
    ndarray of bool, of shape (n_tokens,)

    Raises
    ------
    ValueError
        If they are too few to be trained.
    """
    wanted = set().union(*named.tokens_of.values()) if params.always_keep else set()
    room = params.max_vocab
    if before is not None:
        known = before.wv.key_to_index.keys()
        wanted |= known
        room -= len(known - set(file.tokens))
    kept = choose_lexicon(file.tokens, file.counts, wanted, params.min_count, room)
    if before is None and params.hierarchical_softmax and kept.sum() == 1:
        raise ValueError(
            f"{file.tokens[kept.argmax()]!r} is the only term left to train, and a hierarchical "
            "softmax needs two: give more text, or lower min_count."
        )
    return kept


def train(params, file, kept, before):
    """Train a model on a file of tokens.

    Parameters
    ----------
    params : SkipGramEmbedder
    file : TokenFile
    kept : ndarray of bool, of shape (n_tokens,)
        The tokens that have vectors.
    before : gensim model or None
        The one that is trained further; it stays as it is.

    Returns
    -------
    Training
        After its end.
    """
    checkpoint = None
    if params.checkpoint is not None and before is None:
        # Before a seed is drawn, which changes a generator.
        own = {name: getattr(params, name) for name in _TRAINING}
        checkpoint = TrainingFile(params.checkpoint, content_hash(own, [file.digest, kept]))
    model = _model(params, file, kept, before)
    n_tokens = int(file.counts[kept].sum()) * params.epochs
    with progress_bar(params, desc="training vectors", total=n_tokens) as bar:

        def tell(n_done, loss):
            if loss:
                bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
            bar.update(n_done)

        training = Training(
            model,
            file,
            kept,
            epochs=params.epochs,
            alpha=params.alpha,
            min_alpha=params.min_alpha,
            workers=params.workers or (1 if params.random_state is not None else cpu_count()),
            progress=tell,
            checkpoint=checkpoint,
        )
        # What a checkpoint has done already is not counted as speed.
        bar.initial = bar.n = training.n_done
        training.run()
    return training


def _model(params, file, kept, before):
    # gensim turns the order of equally frequent terms round.
    count_of = {file.tokens[i]: int(file.counts[i]) for i in np.flatnonzero(kept)[::-1]}
    if before is not None:
        return extend_model(before, count_of, window=params.window, sample=params.sample)
    return make_model(
        params.model,
        count_of,
        n_buckets=params.n_buckets,
        vector_size=params.vector_size,
        window=params.window,
        hs=int(params.hierarchical_softmax),
        negative=params.negative,
        sample=params.sample,
        seed=draw_seed(params.random_state),
    )


def progress_bar(params, **options):
    """A bar that shows words a second and the time left, if `params.verbose`."""
    from tqdm import tqdm

    return tqdm(unit=" words", unit_scale=True, disable=not params.verbose, **options)
