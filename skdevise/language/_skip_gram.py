"""Term vectors trained on text: the skip-gram language model."""

from collections.abc import Callable, Iterable
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from joblib import cpu_count, effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdevise._compat import Interval, StrOptions, fit_context
from skdevise._typing import LabelVocabulary, PathLike, RandomState
from skdevise._utils import check_checkpoint_folder, check_unchanged, content_hash
from skdevise.language._corpus import TOKENIZERS, coverage, write_text
from skdevise.language._gensim import (
    extend_model,
    make_model,
    read_model,
    terms_to_learn,
    train_model,
)
from skdevise.language._mixins import TermTableMixin, TermTransformerMixin

# Parameters that shape the model, so `partial_fit` cannot change them.
_MODEL_PARAMETERS = ("vector_size", "hierarchical_softmax", "negative", "model", "n_buckets")

# Parameters that change the trained vectors; the name of a checkpoint depends on them.
_TRAINING_PARAMETERS = (
    *_MODEL_PARAMETERS,
    *("window", "sample", "max_epochs", "lr", "min_lr", "random_state"),
)


class SkipGramEmbedder(TermTableMixin, TermTransformerMixin, BaseEstimator):
    """Term vectors trained on your own text with the skip-gram model.

    The vector of a term is trained to predict the terms around it [1]_. gensim does the training.
    The defaults are the settings of the DeViSE paper [2]_ (section 3.1), which trained on 5.4
    billion words. For a small text, set a smaller `vector_size` and more `max_epochs`. A term
    without a vector of its own gets the mean vector of its words.

    Parameters
    ----------
    vector_size : int, default=500
        Dimension of the vectors. The paper found 500 to 1,000 best on 5.4 billion words. Use fewer
        dimensions for less text.
    window : int, default=20
        Largest distance between a term and the terms that it predicts. A small window, such as 5,
        favours terms of the same kind; a large one favours terms of the same topic.
    hierarchical_softmax : bool, default=True
        Train with a hierarchical softmax, which is a binary tree of the terms. To train with
        negative sampling instead, set it to False and `negative` to 5 or more.
    negative : int, default=0
        Number of negative samples for each pair of terms. 0 turns negative sampling off.
    model : {"skip_gram", "cbow", "fasttext"}, default="skip_gram"
        Model to train. "cbow" predicts a term from the terms around it, which is faster.
        "fasttext" is a skip-gram model with character n-grams [3]_, which gives vectors to terms
        that are not in the text.
    n_buckets : int, default=500_000
        Number of n-gram vectors of "fasttext". Fewer buckets take less memory, but more n-grams
        share a vector.
    sample : float, default=1e-3
        Threshold of subsampling. If more than this fraction of the text is one term, some of its
        occurrences are dropped at random. Lower it for large texts; 0 keeps all occurrences.
    min_count : int, default=5
        Smallest number of occurrences of a term with a vector. Lower it for a small text.
    max_vocab : int, default=155_000
        Maximum number of terms. The most frequent ones are kept.
    terms : iterable of str, LabelVocabulary or "wordnet", default=None
        Multi-word terms to treat as one token, such as "great white shark". Pass the labels that
        you want to predict. Matching ignores case and prefers the longest term. "wordnet" means
        all multi-word nouns of WordNet. None treats each word as a token.
    always_keep : bool, default=True
        Give a vector to all `terms` that occur in the text, regardless of `min_count` and
        `max_vocab`. False treats them like other words.
    phrases : bool, default=False
        Also treat pairs of tokens that often occur together as one token.
    tokenizer : {"words", "casual", "toktok", "treebank", "wordpunct"} or callable, \
            default="words"
        Function that splits a string into tokens. "words" keeps letters and digits only; the
        other names are tokenizers of nltk. Tokens become lower case.
    max_epochs : int, default=1
        Number of passes over the text. Raise it for small texts.
    lr : float, default=0.025
        Learning rate at the start. It falls linearly to `min_lr` over all epochs.
    min_lr : float, default=1e-4
        Learning rate at the end.
    checkpoint : str or Path, default=None
        Folder in which the model is saved after each shard (part) of 5 million tokens. If training
        is interrupted, call `fit` again with the same text and parameters. Training then continues
        after the last finished shard. A finished fit is not repeated. None saves nothing.
    n_jobs : int, default=None
        Number of training threads; -1 means all cores. None means one thread if `random_state` is
        set, and all cores otherwise.
    random_state : int, RandomState instance or None, default=None
        Seed for reproducible vectors. gensim is reproducible with one thread only, so `n_jobs`
        must be None or 1.
    verbose : int, default=0
        Show a progress bar if positive. It advances after each shard.

    Attributes
    ----------
    vectors_ : PretrainedEmbedder
        Trained vectors, the most frequent term first.
    counts_ : ndarray of int of shape (n_terms,)
        Number of occurrences of each term of `vectors_`.
    coverage_ : DataFrame
        One row for each of `terms`. "count" is its number of occurrences; an occurrence inside a
        longer term does not count. "has_own_vector" is True if the term has one.
    phrases_ : dict of (str, str) to float
        Learned phrases and their scores; empty unless `phrases=True`.
    loss_curve_ : list of float
        Mean loss of a token after each epoch, on the first 10,000 tokens of the text. It is NaN
        for "fasttext", because gensim does not compute that loss.
    model_ : gensim Word2Vec or FastText
        Trained model, from which `partial_fit` continues. In its keys, "\u2581" replaces blanks.
    n_features_out_ : int
        Dimension of the vectors.

    See Also
    --------
    PretrainedEmbedder : Loads published vectors, which are better unless your text is large.

    Notes
    -----
    `fit` writes the tokens to a temporary folder, about six bytes for each token. Set the
    environment variable ``TMPDIR`` to choose the disk. Memory grows with the number of distinct
    tokens, not with the length of the text.

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
    ...     vector_size=8, max_epochs=5, terms=["great white shark"], random_state=0
    ... ).fit(text)
    >>> embedder.transform(["Great_white_shark", "whale"]).shape
    (2, 8)
    >>> embedder.coverage_
                       count  has_own_vector
    great white shark     20            True
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
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, 1e6, closed="right")],
        "min_lr": [Interval(Real, 0, 1e6, closed="right")],
        "checkpoint": [str, Path, None],
        "n_jobs": [Interval(Integral, None, None, closed="neither"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        vector_size: int = 500,
        window: int = 20,
        hierarchical_softmax: bool = True,
        negative: int = 0,
        *,
        model: Literal["skip_gram", "cbow", "fasttext"] = "skip_gram",
        n_buckets: int = 500_000,
        sample: float = 1e-3,
        min_count: int = 5,
        max_vocab: int = 155_000,
        terms: Iterable[str] | LabelVocabulary | None = None,
        always_keep: bool = True,
        phrases: bool = False,
        tokenizer: Literal["words", "casual", "toktok", "treebank", "wordpunct"]
        | Callable[[str], list[str]] = "words",
        max_epochs: int = 1,
        lr: float = 0.025,
        min_lr: float = 1e-4,
        checkpoint: PathLike | None = None,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
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
        self.max_epochs = max_epochs
        self.lr = lr
        self.min_lr = min_lr
        self.checkpoint = checkpoint
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: PathLike | Iterable[Any], y: object = None) -> Self:
        """Train the vectors on text.

        Parameters
        ----------
        X : str, Path, list of Path, or iterable of documents
            Documents, or text files. A document is a string or a list of tokens. Each document is
            read once, so a generator is accepted. A single string, a Path or a list of Path names
            files or folders. "*" in a name matches any text, as in "news/*.txt.gz". Addresses that
            fsspec opens work too, alone or in a list, such as "s3://bucket/news/*.txt.gz". Other
            strings in a list are documents, never file names. A file has one document on each line
            and may be compressed (.gz, .bz2, .xz). A folder means all files below it.
        y : Ignored
            Not used; present for API consistency.

        Returns
        -------
        self : SkipGramEmbedder
            Fitted embedder.

        Raises
        ------
        FileNotFoundError
            If a file does not exist.
        TypeError
            If X is not a sequence or a path, or if a document is neither a string nor a list of
            strings.
        ValueError
            If fewer than two terms remain, a file cannot be read as text, or parameters
            contradict each other.
        """
        return self._fit(X, None)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: PathLike | Iterable[Any], y: object = None) -> Self:
        """Continue training on more text.

        With negative sampling, new terms get vectors while there are fewer than `max_vocab`. With
        a hierarchical softmax the terms are fixed: `partial_fit` trains the known terms and warns
        about new ones. The learning rate starts at `lr` again; lower it to change the known
        vectors less. `checkpoint` is ignored. If training is interrupted, the embedder does not
        change.

        Parameters
        ----------
        X : str, Path, list of Path, or iterable of documents
            Text, as in `fit`.
        y : Ignored
            Not used; present for API consistency.

        Returns
        -------
        self : SkipGramEmbedder
            Embedder trained further.

        Raises
        ------
        FileNotFoundError, TypeError, ValueError
            As in `fit`, if the text has no known and no new term, or if `vector_size`, `model`,
            `hierarchical_softmax`, `negative`, `n_buckets` or `phrases` has changed.
        """
        # scikit-learn does not validate the parameters of a fitted estimator again.
        self._validate_params()
        model = getattr(self, "model_", None)
        if model is None and hasattr(self, "vectors_"):
            raise ValueError(
                "The embedder was loaded without its gensim model, so partial_fit cannot continue. "
                "Call fit, or keep a pickle of the embedder."
            )
        return self._fit(X, model)

    def _fit(self, X, model):
        """Train a new model, or continue with a copy of `model`."""
        self._check_parameters()
        if model is not None:
            check_unchanged(self, self._fitted_params)
        with TemporaryDirectory(prefix="skdevise-") as folder:
            shards, counts, keys_of, phrases = write_text(
                X,
                Path(folder),
                tokenizer=self.tokenizer,
                terms=self.terms,
                phrases=self.phrases if model is None else self.phrases_,
                min_count=self.min_count,
                progress_bar=self._progress_bar,
            )
            wanted = set().union(*keys_of.values()) if self.always_keep else set()
            vocabulary = terms_to_learn(counts, wanted, self.min_count, self.max_vocab, model)
            checkpoint = None
            if model is not None:
                model = extend_model(model, vocabulary, self.window, self.sample)
            else:
                if self.checkpoint is not None:
                    checkpoint = self._checkpoint_file(vocabulary, shards)
                model = make_model(vocabulary, self.get_params(deep=False))
            model, losses = train_model(
                model,
                shards,
                max_epochs=self.max_epochs,
                lr=self.lr,
                min_lr=self.min_lr,
                n_threads=self._n_threads(),
                checkpoint=checkpoint,
                progress_bar=partial(self._progress_bar, "training vectors"),
            )
        self.model_, self.loss_curve_, self.phrases_ = model, losses, phrases
        self.counts_, self.vectors_ = read_model(model)
        for key in model.wv.key_to_index:  # These counts include the texts of earlier calls.
            counts[key] = model.wv.get_vecattr(key, "count")
        self.coverage_ = coverage(keys_of, counts, model.wv.key_to_index)
        self.n_features_out_ = self._n_features_out = model.vector_size
        self._fitted_params = {
            name: getattr(self, name) for name in (*_MODEL_PARAMETERS, "phrases")
        }
        return self

    def _check_parameters(self):
        """Raise ValueError if parameters contradict each other."""
        if not self.hierarchical_softmax and not self.negative:
            raise ValueError(
                "hierarchical_softmax=False and negative=0 leave no loss to train with. Set "
                "hierarchical_softmax=True, or negative to 5 or more."
            )
        if self.random_state is not None and self.n_jobs not in (None, 1):
            raise ValueError(
                f"Training with n_jobs={self.n_jobs} is not reproducible, so random_state has no "
                "effect. Set n_jobs=1 or random_state=None."
            )
        if self.min_lr > self.lr:
            raise ValueError(
                f"min_lr={self.min_lr} is larger than lr={self.lr}. Lower min_lr or raise lr."
            )
        if self.checkpoint is not None:
            check_checkpoint_folder(self.checkpoint)

    def _checkpoint_file(self, vocabulary, shards):
        """Return the path of the checkpoint of this text and these parameters."""
        parameters = [getattr(self, name) for name in _TRAINING_PARAMETERS]
        texts = [content_hash(path.read_bytes()) for path in shards]
        key = content_hash(parameters, list(vocabulary.items()), texts)
        return Path(self.checkpoint, f"{key}.safetensors")

    def _n_threads(self):
        """Return the number of training threads."""
        if self.n_jobs is None:
            return cpu_count() if self.random_state is None else 1
        return effective_n_jobs(self.n_jobs)

    def _progress_bar(self, name, **options):
        """Return a bar of words per second, which is shown if `verbose`."""
        from tqdm import tqdm

        return tqdm(desc=name, unit=" words", unit_scale=True, disable=not self.verbose, **options)

    def _embed(self, terms):
        check_is_fitted(self)
        return self.vectors_._embed(terms)

    def _unit_blocks(self):
        check_is_fitted(self)
        return self.vectors_._unit_blocks()

    def _find_rows(self, terms):
        check_is_fitted(self)
        return self.vectors_._find_rows(terms)
