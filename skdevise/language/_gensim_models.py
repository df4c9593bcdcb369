"""The models of gensim, with the terms and weights that training needs."""

import copy

import numpy as np

from skdevise.language._pretrained import PretrainedEmbedder
from skdevise.language._subwords import Subwords


def make_model(kind, count_of, *, n_buckets, **params):
    """Make a model that is ready to be trained.

    Parameters
    ----------
    kind : {"skip_gram", "cbow", "fasttext"}
    count_of : dict of str to int
        The lexicon, and how often each term occurs.
    n_buckets : int
        Vectors that the n-grams of "fasttext" share.
    **params
        Of gensim's Word2Vec.

    Returns
    -------
    gensim Word2Vec or FastText
    """
    from gensim.models import FastText, Word2Vec

    # Each worker is given its work here, so that gensim's own number of them counts for nothing.
    params = {"sg": int(kind != "cbow"), "min_count": 1, "workers": 1, **params}
    if kind == "fasttext":
        model = FastText(bucket=n_buckets, **params)
    else:
        model = Word2Vec(compute_loss=True, **params)
    model.build_vocab_from_freq(count_of, corpus_count=1)
    return model


def extend_model(model, count_of, **params):
    """Copy a model to be trained on more text.

    Parameters
    ----------
    model : gensim Word2Vec or FastText
    count_of : dict of str to int
        How often terms occur in the new text; those that the model lacks are added.
    **params
        Attributes of the model that are to change.

    Returns
    -------
    gensim Word2Vec or FastText
    """
    model = copy.deepcopy(model)
    vars(model).update(params)
    wv = model.wv
    new = {term: count for term, count in count_of.items() if term not in wv.key_to_index}
    # Copies: gensim writes its new tree over the old one.
    paths = [wv.expandos[name].copy() for name in ("code", "point")] if model.hs else []
    model.build_vocab_from_freq(count_of, corpus_count=1, update=True)
    if model.hs:
        _graft(wv, *paths, new)
    return model


def _graft(wv, codes, points, new):
    """Put the tree of the old terms and a tree of the new ones below a new root.

    gensim grows a tree of all terms anew, in which the inner nodes that are trained already stand
    for other sets of terms. Here they keep their place and their meaning.
    """
    if not new:
        wv.expandos["code"], wv.expandos["point"] = codes, points
        return
    root = len(codes) - 1  # A tree of n terms has n - 1 inner nodes, and gensim room for n.
    twig = _tree(new)
    for row, term in enumerate(wv.index_to_key):
        if row < len(codes):
            bit, (code, point) = 0, (codes[row], points[row])
        else:
            bit, (code, point) = 1, twig[term]
            point = np.add(point, root + 1)
        wv.set_vecattr(term, "code", np.array([bit, *code], dtype=np.uint8))
        wv.set_vecattr(term, "point", np.array([root, *point], dtype=np.uint32))


def _tree(count_of):
    """The code and the inner nodes of each term in a Huffman tree of their own."""
    from gensim.models import Word2Vec

    model = Word2Vec(hs=1, negative=0, min_count=1, vector_size=1)
    model.build_vocab_from_freq(count_of)
    wv = model.wv
    return {
        term: (wv.get_vecattr(term, "code"), wv.get_vecattr(term, "point"))
        for term in wv.index_to_key
    }


def weights_of(model):
    """Give all that training changes.

    Parameters
    ----------
    model : gensim Word2Vec or FastText

    Returns
    -------
    dict of str to ndarray
        Not copied.
    """
    if hasattr(model.wv, "vectors_ngrams"):
        weights = {"words": model.wv.vectors_vocab, "ngrams": model.wv.vectors_ngrams}
    else:
        weights = {"words": model.wv.vectors}
    if model.hs:
        weights["nodes"] = model.syn1
    if model.negative:
        weights["contexts"] = model.syn1neg
    return weights


def table_of_model(model):
    """Give the terms of a model in the order of their counts.

    Parameters
    ----------
    model : gensim Word2Vec or FastText
        Trained.

    Returns
    -------
    counts : ndarray of int, of shape (n_terms,)
        The most frequent first.
    vectors : PretrainedEmbedder
        It shares the model's array where that has this order already.
    """
    wv = model.wv
    if hasattr(wv, "adjust_vectors"):
        wv.adjust_vectors()  # fastText's words are made of their n-grams when these are trained
    terms, vectors, counts = wv.index_to_key, wv.vectors, wv.expandos["count"]
    if (np.diff(counts) > 0).any():
        order = np.argsort(-counts, kind="stable")
        terms, vectors, counts = [terms[i] for i in order], vectors[order], counts[order]
    subwords = Subwords.of(wv)
    table = (terms, vectors) if subwords is None else (terms, vectors, subwords)
    return counts.copy(), PretrainedEmbedder(table)
