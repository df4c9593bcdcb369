"""Errors that you may want to catch by name."""

__all__ = ["LabelWithoutVectorError", "UnreadablePhotoError"]

_ADVICE = {
    "labels": (
        "Give them synonyms with LabelVocabulary(labels, terms), or drop them with "
        'LabelVocabulary(labels, on_missing="drop").'
    ),
    "training labels": (
        "Give them synonyms with the parameter labels=LabelVocabulary(labels, terms), or leave "
        "their samples out."
    ),
    "terms": "Leave them out or replace them. The embedder's has_vector method finds them.",
}


class LabelWithoutVectorError(ValueError):
    """Error for labels or terms without a vector.

    Parameters
    ----------
    missing : sequence of str
        Labels or terms without a vector.
    n_asked : int
        Number of labels or terms in the request.
    what : {"labels", "training labels", "terms"}, default="labels"
        Noun and advice in the message.

    Attributes
    ----------
    missing : list of str
        All labels or terms without a vector. The message names them too.

    Examples
    --------
    >>> raise LabelWithoutVectorError(["gerenuk"], n_asked=62)
    Traceback (most recent call last):
    skdevise.exceptions.LabelWithoutVectorError: 1 of 62 labels has no vector: 'gerenuk'...
    """

    def __init__(self, missing, n_asked, what="labels"):
        self.missing = list(missing)
        self.n_asked = n_asked
        self.what = what
        verb = "has" if len(self.missing) == 1 else "have"
        names = ", ".join(repr(str(name)) for name in self.missing)
        super().__init__(
            f"{len(self.missing)} of {n_asked} {what} {verb} no vector: {names}. {_ADVICE[what]}"
        )

    def __reduce__(self):
        return type(self), (self.missing, self.n_asked, self.what)


class UnreadablePhotoError(ValueError):
    """Error for a photo that cannot be decoded. The message names the photo.

    Attributes
    ----------
    features : ndarray of float32, shape (n_photos, n_features), or None
        Features of the photos before the unreadable one, if features were being computed.

    Examples
    --------
    >>> raise UnreadablePhotoError("cat.jpg: not an image.")
    Traceback (most recent call last):
    skdevise.exceptions.UnreadablePhotoError: cat.jpg: not an image.
    """

    features = None
