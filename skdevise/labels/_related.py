"""Terms from WordNet that replace the terms of a label without a vector."""

from itertools import chain

from skdevise.labels._embedding import known_terms
from skdevise.labels._hierarchy import Hierarchy
from skdevise.labels._senses import photo_senses


def related_terms(labels, terms, embedder, templates=()):
    """Find a synonym or a broader term with a vector for each label.

    Synonyms are the terms of the label's synsets, and broader terms are those of their hypernyms.
    The nearest hypernym with a vector counts. The synset of an id is the id itself. Other labels
    have the synsets that their terms can mean in a photo (`photo_senses`). A synset that has only
    the last words of a term is broader too: "oat milk" is a kind of milk.

    Parameters
    ----------
    labels : sequence of n_labels labels
        Labels without a vector.
    terms : sequence of n_labels sequences of str
        Their terms.
    embedder : fitted term embedder
        Embedder to ask for vectors.
    templates : sequence of str
        Templates of the vocabulary.

    Returns
    -------
    synonyms, broader : dict of label to str
        A label for which WordNet has no term with a vector is in neither.
    """
    wordnet = Hierarchy.wordnet()
    senses = [_senses(*label, wordnet) for label in zip(labels, terms, strict=True)]
    rows = [wordnet.positions(own) for own, _ in senses]
    above = wordnet.graph.ancestors(list(chain.from_iterable(rows))).indices
    terms_of = {row: wordnet.terms(wordnet.labels[row]) for row in dict.fromkeys(above.tolist())}
    candidates = list(dict.fromkeys(chain.from_iterable(terms_of.values())))
    has_vector = dict(zip(candidates, known_terms(embedder, candidates, templates), strict=True))
    term_of = {
        row: next((term for term in row_terms if has_vector[term]), None)
        for row, row_terms in terms_of.items()
    }
    synonyms, broader = {}, {}
    for label, (_, is_whole), level in zip(labels, senses, rows, strict=True):
        term, n_steps = _nearest_term(level.tolist(), term_of, wordnet.graph.parents)
        if term is not None:
            (synonyms if is_whole and not n_steps else broader)[label] = term
    return synonyms, broader


def _senses(label, terms, wordnet):
    """Return the synsets of a label, and whether they have a whole term of it."""
    if label in wordnet:
        return [label], True
    for term in terms:
        if wordnet.synsets(term):
            return photo_senses([term], wordnet)[0], True
    return photo_senses(terms[:1], wordnet)[0], False


def _nearest_term(level, term_of, parents):
    """Climb from some nodes to the first one with a term: the term, and the number of steps."""
    n_steps = 0
    while level:
        for row in level:
            if term_of[row] is not None:
                return term_of[row], n_steps
        level = list(dict.fromkeys(parents[level].indices.tolist()))
        n_steps += 1
    return None, n_steps
