"""Term vectors trained on text: the skip-gram language model."""

from numbers import Integral, Real
from pathlib import Path

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import Interval, StrOptions, fit_context
from skdevise._utils import check_checkpoint_folder
from skdevise.language._fitting import SHAPE, kept_tokens, read_text, train
from skdevise.language._gensim_models import table_of_model
from skdevise.language._lexicon import coverage
from skdevise.language._mixins import TermTableMixin, TermTransformerMixin
from skdevise.language._tokenizers import TOKENIZERS


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
    model : {"skip_gram", "cbow", "fasttext"}, default="skip_gram"
        "cbow" predicts a term from those around it; "fasttext" is skip-gram over a term and its
        character n-grams [3]_, so that a label that was never seen has a vector, too.
    n_buckets : int, default=500_000
        With "fasttext", how many vectors the n-grams share, each `vector_size` long.
    sample : float, default=1e-3
        Frequency above which a term is sub-sampled.
    min_count : int, default=5
        Terms that occur less often are left out.
    max_vocab : int, default=155_000
        How many terms to keep, the most frequent ones.
    terms : iterable of str, LabelVocabulary or "wordnet", default=None
        Names that become one unit where they have several words, such as "great white shark", the
        longest first, whatever their case: those given, those of all labels, or the nouns of
        several words that WordNet has.
    always_keep : bool, default=True
        Keep those of `terms` that occur at all, however rare, and however many they are.
    phrases : bool, default=False
        Learn more units of two words from the text: those that stand together often.
    tokenizer : {"words", "casual", "toktok", "treebank", "wordpunct"} or callable, \
            default="words"
        How text is split: "words" keeps letters and digits alone, the others are nltk's; or what
        takes a str and gives a list of str. Tokens become lower case.
    epochs : int, default=1
        Passes over the text.
    alpha, min_alpha : float, default=0.025 and 1e-4
        Learning rate at the start and at the end; it falls linearly.
    spool : bool, default=False
        Accept text that can be read only once, such as a generator.
    checkpoint : str or Path, default=None
        A folder in which the state of training is kept after each epoch and every ten minutes: a
        fit of the same text with the same parameters, `workers` aside, goes on from there, and
        is not repeated once it has ended. With one worker the vectors are those of a fit that was
        never interrupted.
    workers : int, default=None
        Training threads; None means all cores, or one if `random_state` is set.
    random_state : int, RandomState instance or None, default=None
        Set it for vectors that can be reproduced. More than one training thread cannot reproduce
        them, so that `workers` must then be None or 1.
    verbose : int, default=0
        Show the progress: words a second, the loss, and the time left.

    Attributes
    ----------
    vectors_ : PretrainedEmbedder
        The trained vectors, the most frequent term first.
    counts_ : ndarray of int, of shape (n_terms,)
        How often each of them stands in the text.
    coverage_ : DataFrame
        How often each of `terms` stands in the text ("count"), by itself and not in a longer one,
        and whether it has a vector of its own ("in_lexicon").
    phrases_ : dict of (str, str) to float
        The units that were learned, and their scores; empty without `phrases`.
    loss_curve_ : list of float
        Mean loss of a word in each epoch; NaN for "fasttext", of which gensim tells none.
    model_ : gensim Word2Vec or FastText
        What `partial_fit` goes on from.
    n_features_out_ : int
        Equal to `vector_size`.

    Notes
    -----
    The tokens are kept in a temporary file, four bytes for each (`TMPDIR` tells where), so that
    memory grows with the distinct words, not with the text.

    References
    ----------
    .. [1] Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.
    .. [2] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.
    .. [3] Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 2017.

    Examples
    --------
    >>> from skdevise import SkipGramEmbedder
    >>> text = ["the great white shark swims", "the whale swims", "the mouse runs"] * 20
    >>> embedder = SkipGramEmbedder(
    ...     vector_size=8, epochs=5, terms=["great white shark"], random_state=0
    ... ).fit(text)
    >>> embedder.transform(["Great_white_shark", "whale"]).shape
    (2, 8)
    >>> embedder.coverage_
                       count  in_lexicon
    great white shark     20        True
    """

    _parameter_constraints = {
        "vector_size": [Interval(Integral, 1, None, closed="left")],
        "window": [Interval(Integral, 1, None, closed="left")],
        "hierarchical_softmax": ["boolean"],
        "negative": [Interval(Integral, 0, None, closed="left")],
        "model": [StrOptions({"skip_gram", "cbow", "fasttext"})],
        "n_buckets": [Interval(Integral, 1, None, closed="left")],
        "sample": [Interval(Real, 0, None, closed="left")],
        "min_count": [Interval(Integral, 1, None, closed="left")],
        "max_vocab": [Interval(Integral, 1, None, closed="left")],
        "terms": "no_validation",
        "always_keep": ["boolean"],
        "phrases": ["boolean"],
        "tokenizer": [StrOptions(set(TOKENIZERS)), callable],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "min_alpha": [Interval(Real, 0, None, closed="left")],
        "spool": ["boolean"],
        "checkpoint": [str, Path, None],
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
        model="skip_gram",
        n_buckets=500_000,
        sample=1e-3,
        min_count=5,
        max_vocab=155_000,
        terms=None,
        always_keep=True,
        phrases=False,
        tokenizer="words",
        epochs=1,
        alpha=0.025,
        min_alpha=1e-4,
        spool=False,
        checkpoint=None,
        workers=None,
        random_state=None,
        verbose=0,
    ):
        self.vector_size = vector_size
        self.window = window
        self.hierarchical_softmax = hierarchical_softmax
        self.negative = negative
        self.model = model
        self.n_buckets = n_buckets
        self.sample = sample
        self.min_count = min_count
        self.max_vocab = max_vocab
        self.terms = terms
        self.always_keep = always_keep
        self.phrases = phrases
        self.tokenizer = tokenizer
        self.epochs = epochs
        self.alpha = alpha
        self.min_alpha = min_alpha
        self.spool = spool
        self.checkpoint = checkpoint
        self.workers = workers
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Train the vectors on text.

        Parameters
        ----------
        X : str, Path, list of Path, or iterable of documents
            A text file, one document a line (.gz, .bz2 and .xz are decompressed), several of them,
            or a folder of them, all streamed; or documents that can be read more than once, each a
            string or a list of tokens.
        y : ignored

        Returns
        -------
        self : SkipGramEmbedder

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        TypeError
            If X is no text, or can be read only once.
        ValueError
            If no term is left to train, parameters exclude each other, a file cannot be read as
            text, or there is a checkpoint that cannot be read.
        """
        return self._fit(X, None)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Train the vectors further, on more text and its new words.

        New terms that occur at least `min_count` times in X, or are among `terms`, get vectors
        while there are fewer than `max_vocab`. Training begins again at `alpha`; a lower one
        disturbs less of what was learned. With hierarchical softmax, the tree of the new terms is
        put beside the one of the old terms, whose inner nodes stay as they are. Phrases are those
        that `fit` learned, and `checkpoint` is not used. If it is interrupted, the embedder is as
        it was before.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        self : SkipGramEmbedder

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            As in `fit`; and if a parameter that shapes the model was changed since.
        """
        if not hasattr(self, "model_"):
            return self._fit(X, None)
        self._validate_params()  # scikit-learn takes those of a fitted one to be the ones of `fit`
        changed = [name for name in SHAPE if getattr(self, name) != self._shape[name]]
        if changed:
            raise ValueError(
                f"{', '.join(changed)} cannot change between fit and partial_fit: set "
                f"{', '.join(f'{name}={self._shape[name]!r}' for name in changed)} again, or fit."
            )
        return self._fit(X, self.model_)

    def _fit(self, X, before):
        """Train a model: a new one, or one that goes on from one of before."""
        self._check_settings()
        learned = None if before is None else self.phrases_
        with read_text(self, X, learned) as (file, named, phrases):
            kept = kept_tokens(self, file, named, before)
            training = train(self, file, kept, before)
        count_of = dict(zip(file.tokens, file.counts.tolist(), strict=True))
        covered = coverage(named.tokens_of, count_of, training.model.wv.key_to_index)
        if before is not None:
            # Of a term that was not asked for, what its tokens in the lexicon tell.
            known = dict(zip(self.vectors_.terms_, self.counts_.tolist(), strict=True))
            counts = coverage(named.tokens_of, known, known)["count"]
            covered["count"] += self.coverage_["count"].reindex(counts.index).fillna(counts)
            covered = covered.astype({"count": int})
        self.coverage_, self.phrases_ = covered, phrases
        self.loss_curve_ = training.loss_curve
        self.model_ = training.model
        self.counts_, self.vectors_ = table_of_model(self.model_)
        self.n_features_out_ = self._n_features_out = self.vector_size
        self._shape = {name: getattr(self, name) for name in SHAPE}
        return self

    def _check_settings(self):
        if not self.hierarchical_softmax and not self.negative:
            raise ValueError(
                "hierarchical_softmax=False and negative=0 leave nothing to train with: set one."
            )
        if self.random_state is not None and self.workers not in (None, 1):
            raise ValueError(
                f"random_state cannot be honoured with workers={self.workers}, as threads race "
                "for the vectors: set workers=1 or random_state=None."
            )
        if self.min_alpha > self.alpha:
            raise ValueError(
                f"The learning rate falls from alpha={self.alpha} to min_alpha={self.min_alpha}: "
                "the latter must not be larger."
            )
        if self.checkpoint is not None:
            check_checkpoint_folder(self.checkpoint)

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

    def _rows(self, terms):
        return self.vectors_._rows(terms)
