"""Term vectors that this package trained on free text."""

from sklearn.utils import Bunch

from skdevise._bundled import read_descr, read_table
from skdevise.language import PretrainedEmbedder


def load_term_vectors():
    """Load 27,000 term vectors: frequent nouns and the labels of the bundled photo sets.

    `SkipGramEmbedder` trained them on 31 million words of books and Wikipedia, with hierarchical
    softmax and multi-word terms as units. For serious work take vectors of more text, such as
    GloVe's, by `PretrainedEmbedder.load`.

    Returns
    -------
    term_vectors : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        embedder : PretrainedEmbedder
            The vectors, ready for a classifier.
        terms : list of str, of length 27000
            The most frequent first, lower case.
        vectors : ndarray of float16, of shape (27000, 100)
            Of unit length, but for rounding.
        DESCR : str
            Source, licence, how made, and which labels have no vector.

    Examples
    --------
    >>> from skdevise.datasets import load_term_vectors
    >>> embedder = load_term_vectors().embedder
    >>> [term for term, _ in embedder.most_similar("violin", k=3)]
    ['piano', 'guitar', 'flute']
    """
    table = read_table("term_vectors")
    terms = table["terms"].tobytes().decode().split("\n")
    return Bunch(
        embedder=PretrainedEmbedder((terms, table["vectors"])),
        terms=terms,
        vectors=table["vectors"],
        DESCR=read_descr("term_vectors"),
    )
