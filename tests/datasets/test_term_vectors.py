import numpy as np

from skdevise.datasets import load_caltech101_features, load_imagenet_labels, load_term_vectors


def test_shapes_and_units():
    table = load_term_vectors()
    assert table.vectors.shape == (len(table.terms), 100) == (27_000, 100)
    assert table.vectors.dtype == np.float16
    assert len(set(table.terms)) == 27_000
    norms = np.linalg.norm(table.vectors.astype(np.float32), axis=1)
    np.testing.assert_allclose(norms, 1, atol=2e-3)


def test_labels_without_a_vector_are_those_that_the_description_names():
    table = load_term_vectors()
    names = load_caltech101_features().target_names
    missing = names[~table.embedder.has_vector(names)]
    assert missing.tolist() == ["bonsai", "mayfly", "stapler"]
    composed = [name for name in names if name not in {*table.terms, *missing}]
    assert composed == ["ceiling fan", "in-line skate", "stop sign"]
    for name in (*missing, *composed):
        assert name in table.DESCR.replace("\n    ", " ")


def test_first_terms_of_imagenet_are_covered_as_described():
    from skdevise import LabelVocabulary

    terms = LabelVocabulary(load_imagenet_labels().ilsvrc2012).terms
    known = load_term_vectors().embedder.has_vector([own[0] for own in terms])
    assert known.sum() == 805


def test_neighbours_make_sense():
    embedder = load_term_vectors().embedder
    assert {"wolf", "cat"} <= {term for term, _ in embedder.most_similar("dog", 5)}
    cosine = embedder.transform(["piano", "violin", "lobster"])
    assert cosine[0] @ cosine[1] > 0.6 > 0.4 > cosine[0] @ cosine[2]
