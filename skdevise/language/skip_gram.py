"""Term vectors trained on text: the skip-gram language model."""

from collections import Counter
from functools import partial
from numbers import Integral, Real

import numpy as np
from joblib import cpu_count
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skdevise._random import draw_seed
from skdevise.language._mixins import TermTableMixin, TermTransformerMixin
from skdevise.language.corpus import Corpus
from skdevise.language.pretrained import PretrainedEmbedder
from skdevise.language.terms import check_terms, words_of


class SkipGramEmbedder(TermTableMixin, TermTransformerMixin, BaseEstimator):
    """Skip-gram term vectors, the language model of DeViSE.

    A term's vector is trained to predict the terms around it [1]_, by default with the settings
    of the DeViSE paper [2]_ (section 3.1): a window of 20, hierarchical softmax, one pass over
    the text, 155,000 terms, multi-word terms as units. gensim does the training.

    Parameters
    ----------
    vector_size : int, default=500
        Dimension of the vectors; the paper found 500 to 1,000 best on 5.4 billion words.
    window : int, default=20
        How many terms to each side are predicted, at the most.
    hierarchical_softmax : bool, default=True
        Train through a Huffman tree of the terms.
    negative : int, default=0
        Negative samples for each pair; 0 for none.
    sample : float, default=1e-3
        Frequency above which a term is sub-sampled.
    min_count : int, default=5
        Terms that occur less often are left out, those of `terms` excepted.
    max_vocab : int, default=155_000
        How many terms to keep, the most frequent ones and those of `terms`.
    epochs : int, default=1
        Passes over the text.
    terms : iterable of str, default=None
        Terms to keep however rare, as one unit where they have several words: "great white shark".
    alpha : float, default=0.025
        Learning rate at the start; it falls linearly to nearly nothing.
    workers : int, default=None
        Training threads; None means all cores, or one if `random_state` is set.
    random_state : int, RandomState instance or None, default=None
        Set it for vectors that can be reproduced. More than one training thread cannot reproduce
        them, so that `workers` must then be None or 1.
    verbose : int, default=0
        Show the progress, in terms a second.

    Attributes
    ----------
    vectors_ : PretrainedEmbedder
        The trained vectors, the most frequent term first.
    counts_ : ndarray of int, of shape (n_terms,)
        How often each of them stands in the text.
    n_features_out_ : int
        Equal to `vector_size`.

    References
    ----------
    .. [1] Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.
    .. [2] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> from skdevise import SkipGramEmbedder
    >>> text = ["the great white shark swims", "the whale swims", "the mouse runs"] * 20
    >>> embedder = SkipGramEmbedder(
    ...     vector_size=8, epochs=5, terms=["great white shark"], random_state=0
    ... ).fit(text)
    >>> embedder.transform(["Great_white_shark", "whale"]).shape
    (2, 8)
    """

    _parameter_constraints = {
        "vector_size": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left")],
        "hierarchical_softmax": ["boolean"],
        "negative": [Interval(Integral, 0, None, closed="left")],
        "sample": [Interval(Real, 0, None, closed="left")],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "max_vocab": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "terms": [HasMethods("__iter__"), None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "workers": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        vector_size=500,
        window=20,
        hierarchical_softmax=True,
        negative=0,
        *,
        sample=1e-3,
        min_count=5,
        max_vocab=155_000,
        epochs=1,
        terms=None,
        alpha=0.025,
        workers=None,
        random_state=None,
        verbose=0,
    ):
        self.vector_size = vector_size
        self.window = window
        self.hierarchical_softmax = hierarchical_softmax
        self.negative = negative
        self.sample = sample
        self.min_count = min_count
        self.max_vocab = max_vocab
        self.epochs = epochs
        self.terms = terms
        self.alpha = alpha
        self.workers = workers
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the vectors on text.

        Parameters
        ----------
        X : str, Path, or iterable of documents
            A text file, one document a line (.txt, .gz, .bz2, .xz), streamed; or documents that
            can be read more than once, each a string or a list of tokens.
        y : ignored

        Returns
        -------
        self : SkipGramEmbedder

        Raises
        ------
        ValueError
            If no term is left to train, or parameters exclude each other.
        """
        from gensim.models import Word2Vec
        from tqdm import tqdm

        if not self.hierarchical_softmax and not self.negative:
            raise ValueError(
                "hierarchical_softmax=False and negative=0 leave nothing to train with: set one."
            )
        if self.random_state is not None and self.workers not in (None, 1):
            raise ValueError(
                f"random_state cannot be honoured with workers={self.workers}, as threads race "
                "for the vectors: set workers=1 or random_state=None."
            )
        if self.terms is not None and iter(self.terms) is self.terms:
            raise TypeError("terms can be read only once, so that a second fit would lose them.")
        terms = [] if self.terms is None else check_terms(self.terms)
        bar = partial(tqdm, unit=" terms", unit_scale=True, disable=not self.verbose)
        counts = Counter()
        n_lists = 0
        with bar(desc="counting terms") as progress:
            for tokens in Corpus(X, terms, progress.update):
                counts.update(tokens)
                n_lists += 1
        kept = self._lexicon(counts, terms)
        reproducible = self.random_state is not None
        model = Word2Vec(
            sg=1,
            vector_size=self.vector_size,
            window=self.window,
            hs=int(self.hierarchical_softmax),
            negative=self.negative,
            sample=self.sample,
            min_count=1,
            epochs=self.epochs,
            alpha=self.alpha,
            workers=self.workers or (1 if reproducible else cpu_count()),
            seed=draw_seed(self.random_state),
        )
        model.build_vocab_from_freq(kept, corpus_count=n_lists)
        with bar(desc="training vectors", total=counts.total() * self.epochs) as progress:
            corpus = Corpus(X, terms, progress.update)
            model.train(corpus, total_examples=n_lists, epochs=self.epochs)
        self.vectors_ = PretrainedEmbedder((model.wv.index_to_key, model.wv.vectors))
        self.counts_ = np.array([kept[term] for term in model.wv.index_to_key])
        self.n_features_out_ = self._n_features_out = self.vector_size
        return self

    def _lexicon(self, counts, terms):
        """The terms to train and their counts: the named ones, then the most frequent."""
        named = dict.fromkeys(" ".join(words_of(term)) for term in terms)
        kept = {term: counts[term] for term in named if term in counts}
        for term, count in counts.most_common():
            if len(kept) >= self.max_vocab or count < self.min_count:
                break
            kept[term] = count
        if not kept:
            raise ValueError(
                f"No term occurs min_count={self.min_count} times among the {counts.total()} words "
                "of the text: give more text, or lower min_count."
            )
        return kept

    def has_vector(self, terms):
        """Tell which terms `transform` has a vector for.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        check_is_fitted(self)
        return self.vectors_.has_vector(terms)

    def has_term(self, terms):
        """Tell which terms are in the lexicon, not composed of words.

        Parameters
        ----------
        terms : array-like of str

        Returns
        -------
        ndarray of bool, of shape (n_terms,)
        """
        check_is_fitted(self)
        return self.vectors_.has_term(terms)

    def transform(self, X):
        """Give each term its unit vector.

        Parameters
        ----------
        X : array-like of str, of shape (n_terms,)
            Terms; one that is not in the lexicon is composed of its words if all of them are.

        Returns
        -------
        ndarray of float32, of shape (n_terms, vector_size)
            Unit rows.

        Raises
        ------
        LabelWithoutVectorError
            If terms have no vector; it names them all.
        """
        check_is_fitted(self)
        return self.vectors_.transform(X)

    def _directed(self):
        check_is_fitted(self)
        return self.vectors_._directed()
