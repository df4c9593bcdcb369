"""Errors that callers may want to catch by name."""

__all__ = ["LabelWithoutVectorError", "UnreadablePhotoError"]


class LabelWithoutVectorError(ValueError):
    """Labels or terms that the embedder has no vector for.

    Parameters
    ----------
    missing : sequence of str
        What has no vector.
    n_asked : int
        How many were asked for.
    what : {"labels", "terms"}
        What they are called in the message.

    Attributes
    ----------
    missing : list of str
        All of them; the message names them too.

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
        advice = (
            "Leave them out (the embedder's has_vector tells what it knows), or put others in "
            "their place."
            if what == "terms"
            else "Leave them out, give each a synonym that the embedder knows by "
            "LabelVocabulary(labels, terms), or drop such candidates by LabelVocabulary(labels, "
            'on_missing="drop").'
        )
        super().__init__(
            f"{len(self.missing)} of {n_asked} {what} {verb} no vector: {names}. {advice}"
        )

    def __reduce__(self):
        return type(self), (self.missing, self.n_asked, self.what)


class UnreadablePhotoError(ValueError):
    """A photo that cannot be decoded; the message names it.

    Attributes
    ----------
    features : ndarray of float32, of shape (n, n_features), or None
        Those of the photos before it, where features were being computed.

    Examples
    --------
    >>> raise UnreadablePhotoError("cat.jpg: not an image.")
    Traceback (most recent call last):
    skdevise.exceptions.UnreadablePhotoError: cat.jpg: not an image.
    """

    features = None
