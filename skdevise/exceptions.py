"""Errors that you may want to catch by name."""

from collections.abc import Sequence
from typing import Any

__all__ = ["LabelWithoutVectorError", "UnreadablePhotoError", "UntrustedError"]

_ADVICE = {
    "labels": (
        "Give each a synonym with LabelVocabulary(labels, terms). LabelVocabulary(labels, "
        'on_missing="wordnet") takes one from WordNet, and on_missing="drop" drops such labels.'
    ),
    "candidates": (
        "Give each a term that the classifier knows with LabelVocabulary(labels, terms), or drop "
        'such labels with on_missing="drop".'
    ),
    "training labels": (
        "Give each a synonym with the parameter labels=LabelVocabulary(labels, terms). Its "
        'on_missing="wordnet" takes synonyms from WordNet. Or leave the samples of such labels out.'
    ),
    "terms": "Leave them out or replace them. The embedder's has_vector method finds them.",
}


class LabelWithoutVectorError(ValueError):
    """Error for labels or terms that the embedder has no vector for.

    Parameters
    ----------
    missing : sequence of str
        Labels or terms without a vector.
    n_asked : int
        Number of labels or terms that need a vector, in total.
    what : {"labels", "candidates", "training labels", "terms"}, default="labels"
        Noun in the message, which also chooses the advice. "candidates" are labels of a classifier
        that makes the vectors itself, so the message speaks of unknown candidates, and its advice
        does not name `on_missing="wordnet"`.

    Attributes
    ----------
    missing : list of str
        All labels or terms without a vector. The message names the first 100 of them.
    n_asked, what
        As in the parameters.

    Examples
    --------
    >>> raise LabelWithoutVectorError(["gerenuk"], n_asked=62)
    Traceback (most recent call last):
    skdevise.exceptions.LabelWithoutVectorError: 1 of 62 labels has no vector: 'gerenuk'...
    """

    def __init__(self, missing: Sequence[Any], n_asked: int, what: str = "labels") -> None:
        self.missing = list(missing)
        self.n_asked = n_asked
        self.what = what
        is_one = len(self.missing) == 1
        if what == "candidates":
            fault = "is unknown" if is_one else "are unknown"
        else:
            fault = "has no vector" if is_one else "have no vector"
        from skdevise._columns import name_some  # It imports this module.

        names = name_some(list(map(str, self.missing)), 100)
        has_blank = not all(str(name).strip() for name in self.missing)
        advice = "Remove the empty ones." if has_blank else _ADVICE[what]
        super().__init__(f"{len(self.missing)} of {n_asked} {what} {fault}: {names}. {advice}")

    def __reduce__(self):
        return type(self), (self.missing, self.n_asked, self.what)


class UnreadablePhotoError(ValueError):
    """Error for a photo that is missing, damaged or not an image.

    The message names the file or the index of the photo, and the reason.

    Attributes
    ----------
    features : ndarray of float32, shape (n_photos, n_features), or None
        Features of the photos before the unreadable one. None if no features were computed, as in
        pre-training. In `transform_iter`, they are those of the current part.

    Examples
    --------
    >>> from skdevise import VisualFeaturizer
    >>> from skdevise.exceptions import UnreadablePhotoError
    >>> featurizer = VisualFeaturizer("efficientnet_lite0").fit(["cat.jpg"])
    >>> try:
    ...     featurizer.transform(["cat.jpg"])
    ... except UnreadablePhotoError as error:
    ...     print(error)
    cat.jpg cannot be read: there is no such file. Correct or remove the photo.
    """

    features = None


class UntrustedError(ValueError):
    """Error for a file that can run code, or names functions, and was not declared as trusted.

    The message says what to pass if you trust the source of the file.

    Examples
    --------
    >>> from skdevise import PretrainedEmbedder
    >>> from skdevise.exceptions import UntrustedError
    >>> try:
    ...     PretrainedEmbedder.load("vectors.kv")
    ... except UntrustedError as error:
    ...     print(error)
    'vectors.kv' is a pickle, which can run code. If you trust its source, pass trusted=True.
    """
