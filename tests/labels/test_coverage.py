import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdevise import DeViSEClassifier, LabelSpace, LabelVocabulary, PretrainedEmbedder
from skdevise.exceptions import LabelWithoutVectorError

MAYFLY = "n02270200"


@pytest.fixture
def embedder():
    vectors = np.eye(5).tolist()
    return PretrainedEmbedder(
        dict(zip(["yogurt", "insect", "animal", "milk", "cat"], vectors, strict=True))
    )


def coverage(labels, embedder, **options):
    return LabelVocabulary(labels, on_missing="wordnet", **options).coverage(embedder)


@pytest.mark.parametrize(
    ("label", "synonyms", "broader"),
    [
        ("cat", {}, {}),
        ("yoghurt", {"yoghurt": "yogurt"}, {}),
        ("Yoghurts", {"Yoghurts": "yogurt"}, {}),
        # A mayfly is an ephemerid, which is an insect, which is an animal in the end.
        ("mayfly", {}, {"mayfly": "insect"}),
        (MAYFLY, {}, {MAYFLY: "insect"}),
        # WordNet has neither of these, but has their last word.
        ("oat milk", {}, {"oat milk": "milk"}),
        ("greek yoghurt", {}, {"greek yoghurt": "yogurt"}),
    ],
)
def test_wordnet_replaces_terms_without_a_vector(embedder, label, synonyms, broader):
    found = coverage([label], embedder)
    assert (found.synonyms, found.broader) == (synonyms, broader)
    assert found.n_labels == 1
    assert len(found.as_term) == (label == "cat")
    (vector,) = LabelSpace(LabelVocabulary([label], on_missing="wordnet"), embedder).targets
    replaced = {**synonyms, **broader}
    assert_allclose(vector, embedder.transform([replaced.get(label, label)])[0])


def test_given_terms_of_a_label_are_looked_up(embedder):
    assert coverage({"breakfast": ["blorb", "yoghourt"]}, embedder).synonyms == {
        "breakfast": "yogurt"
    }


def test_the_report_names_the_sources(embedder):
    report = str(coverage(["cat", "yoghurt", "mayfly", "blorb"], embedder))
    assert report == (
        "4 labels: 1 as one term, 0 composed of words, 1 by a synonym, 1 by a broader term, "
        "1 without a vector ('blorb')."
    )


def test_nothing_is_replaced_by_default(embedder):
    found = LabelVocabulary(["cat", "yoghurt"]).coverage(embedder)
    assert found.missing.tolist() == ["yoghurt"]
    with pytest.raises(LabelWithoutVectorError, match="yoghurt"):
        LabelSpace(["cat", "yoghurt"], embedder)


def test_a_label_that_wordnet_lacks_is_an_error(embedder):
    with pytest.raises(LabelWithoutVectorError, match="1 of 2 .*'blorb'"):
        LabelSpace(LabelVocabulary(["yoghurt", "blorb"], on_missing="wordnet"), embedder)


def test_classifiers_train_on_and_answer_replaced_labels(embedder):
    X, y = np.eye(5)[[0, 1, 4]], ["yoghurt", "mayfly", "cat"]
    labels = LabelVocabulary(y, on_missing="wordnet")
    clf = DeViSEClassifier(embedder, labels=labels, random_state=0).fit(X, y)
    assert clf.predict(X).tolist() == y
    assert clf.predict(X, labels=["cat", "mayflies"]).tolist()[1:] == ["mayflies", "cat"]
    with pytest.raises(LabelWithoutVectorError, match="blorb"):
        clf.predict(X, labels=["cat", "blorb"])
