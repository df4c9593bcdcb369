from collections import Counter

import numpy as np
import pytest

from skdevise.datasets import load_wordnet_nouns


@pytest.fixture(scope="module")
def nouns():
    return load_wordnet_nouns()


def parents_of(nouns, synset, edges="edges"):
    child = nouns.synsets.searchsorted(synset)
    pairs = nouns[edges]
    return nouns.synsets[pairs[pairs[:, 1] == child, 0]].tolist()


def test_wordnet_3_0_has_the_published_counts(nouns):
    assert nouns.synsets.shape == (82_115,)
    assert len(nouns.terms) == 82_115
    assert nouns.edges.shape == (75_850, 2)
    assert nouns.instance_edges.shape == (8_577, 2)
    # WordNet's wnstats(7) counts 146,312 pairs of a noun and a sense, ignoring case.
    assert sum(len({term.lower() for term in terms}) for terms in nouns.terms) == 146_312


def test_synsets_are_sorted_ids(nouns):
    assert nouns.synsets.dtype == np.dtype("U9")
    assert (nouns.synsets[:-1] < nouns.synsets[1:]).all()
    assert nouns.synsets[0] == "n00001740"


def test_dog_has_three_terms_and_two_parents(nouns):
    dog = nouns.synsets.searchsorted("n02084071")
    assert nouns.terms[dog] == ("dog", "domestic dog", "Canis familiaris")
    # canine and domestic animal
    assert parents_of(nouns, "n02084071") == ["n02083346", "n01317541"]


def test_every_class_except_entity_has_a_parent(nouns):
    orphans = np.setdiff1d(np.arange(82_115), nouns.edges[:, 1])
    entity = 0
    assert nouns.terms[entity] == ("entity",)
    assert set(orphans) - set(nouns.instance_edges[:, 1]) == {entity}
    assert len(orphans) == 7_726


def test_an_instance_has_instance_edges_only(nouns):
    # The Eiffel Tower is an instance of tower.
    [eiffel] = [i for i, terms in enumerate(nouns.terms) if "Eiffel Tower" in terms]
    synset = nouns.synsets[eiffel]
    assert parents_of(nouns, synset) == []
    [tower] = parents_of(nouns, synset, "instance_edges")
    assert nouns.terms[nouns.synsets.searchsorted(tower)][0] == "tower"


def test_the_graph_has_no_cycle(nouns):
    # Kahn's algorithm removes nodes without parents. It removes every node of an acyclic graph.
    children = [[] for _ in nouns.synsets]
    for parent, child in np.concatenate([nouns.edges, nouns.instance_edges]):
        children[parent].append(child)
    n_parents = Counter(np.concatenate([nouns.edges, nouns.instance_edges])[:, 1].tolist())
    ready = [node for node in range(82_115) if node not in n_parents]
    for node in ready:
        for child in children[node]:
            n_parents[child] -= 1
            if n_parents[child] == 0:
                ready.append(child)
    assert len(ready) == 82_115


def test_terms_are_tuples_of_plain_words(nouns):
    assert all(isinstance(terms, tuple) and terms for terms in nouns.terms)
    assert not any("_" in term or "\t" in term for terms in nouns.terms for term in terms)
    assert repr(nouns.terms) == "<82115 entries>"


def test_definitions_have_no_examples(nouns):
    definition = dict(zip(nouns.synsets.tolist(), nouns.definitions, strict=True))
    assert len(definition) == 82_115
    # In data.noun, the first is followed by two examples, and the third ends in a colon and one.
    assert definition["n02084071"] == (
        "a member of the genus Canis (probably descended from the common wolf) that has been "
        "domesticated by man since prehistoric times; occurs in many breeds"
    )
    assert definition["n00001740"].endswith("own distinct existence (living or nonliving)")
    [cow] = [text for text in definition.values() if text.startswith("female of domestic cattle")]
    assert cow == "female of domestic cattle"
    # A quoted phrase inside of a definition is no example.
    assert 'significant progress (especially in the phrase "make strides")' in nouns.definitions
    assert all(text and text == text.strip(" ;:,\n") for text in nouns.definitions)


def test_a_change_of_the_table_does_not_reach_the_next_call():
    load_wordnet_nouns().edges[:] = 0
    assert load_wordnet_nouns().edges.any()


def test_description_names_the_licence(nouns):
    assert "Copyright 2006 by Princeton University" in nouns.DESCR
