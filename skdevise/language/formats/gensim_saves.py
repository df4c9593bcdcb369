"""What gensim has saved, and fastText's own binary files, which gensim reads."""

import struct
from mmap import ACCESS_READ, mmap
from pickle import UnpicklingError

from skdevise.language._subwords import Subwords
from skdevise.language.formats.streams import open_stream, unpacked

# What a file of fastText's begins with.
_FASTTEXT_MAGIC = struct.pack("<i", 793712314)
# Then its version and parameters, how many words and other things follow, and after each word its
# count and kind.
_FASTTEXT_HEADER = "<2i12id"
_COUNTS = "<3i2q"
_OF_EACH_WORD = "<qb"


def table_of(keyed, limit=None):
    """Give the table of a gensim KeyedVectors.

    Parameters
    ----------
    keyed : KeyedVectors
    limit : int, default=None
        How many terms to take at the most.

    Returns
    -------
    tuple (terms, matrix), or (terms, matrix, subwords) where there are n-grams
    """
    # gensim leaves places without a term at the end where terms are repeated.
    terms = [term for term in keyed.index_to_key[:limit] if term is not None]
    table = terms, keyed.vectors[: len(terms)]
    subwords = Subwords.of(keyed)
    return table if subwords is None else (*table, subwords)


def read_gensim(path, limit=None, mmap=False):
    """Load a gensim save: KeyedVectors, or a Word2Vec or FastText model.

    Parameters
    ----------
    path : Path
        A pickle, which runs code: only from whom you trust.
    limit : int, default=None
        How many terms to take at the most.
    mmap : bool, default=False
        Map the large arrays, which gensim keeps in files of their own.

    Returns
    -------
    tuple (terms, matrix), or (terms, matrix, subwords) where there are n-grams

    Raises
    ------
    ValueError
        If there are no term vectors in it.
    """
    from gensim.models import KeyedVectors

    try:
        keyed = KeyedVectors.load(str(path), mmap="r" if mmap else None)
    except (UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError) as error:
        raise ValueError(f"gensim cannot load it ({error})") from error
    keyed = getattr(keyed, "wv", keyed)
    if not hasattr(keyed, "index_to_key"):
        raise ValueError(f"it holds a {type(keyed).__name__}, which has no term vectors")
    return table_of(keyed, limit)


def is_fasttext(path):
    """Tell whether a file, compressed or not, is a model of fastText's, by its first bytes."""
    with open_stream(path) as stream:
        return stream.read(4) == _FASTTEXT_MAGIC


def read_fasttext(path, limit=None):
    """Read a model of fastText's, with the n-grams of unseen words.

    Parameters
    ----------
    path : Path
        Compressed or not.
    limit : int, default=None
        How many terms to take at the most.

    Returns
    -------
    tuple (terms, matrix, subwords), or (terms, matrix) of a model without n-grams

    Raises
    ------
    ValueError
        If gensim cannot read it.
    """
    from gensim.models.fasttext import load_facebook_vectors

    try:
        # gensim itself fails on compressed ones.
        with unpacked(path) as file:
            _check_words(file)
            return table_of(load_facebook_vectors(str(file)), limit)
    except (struct.error, EOFError, AssertionError, NotImplementedError, OverflowError) as error:
        raise ValueError(f"gensim cannot read it ({error})") from error


def _check_words(path):
    """Refuse a file that ends among its words: gensim would look for their ends for ever."""
    with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        n_words, *_ = struct.unpack_from(_COUNTS, data, struct.calcsize(_FASTTEXT_HEADER))
        end = struct.calcsize(_FASTTEXT_HEADER) + struct.calcsize(_COUNTS)
        for _ in range(n_words):
            zero = data.find(b"\0", end)
            if zero < 0:
                raise EOFError("it ends among its words")
            end = zero + 1 + struct.calcsize(_OF_EACH_WORD)
