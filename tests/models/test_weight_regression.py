"""Classifier weights of unseen labels: kernels by hand, and the score by a naive reference."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from torch import nn

from skdevise import (
    ClassifierWeightRegressor,
    EncoderEmbedder,
    Hierarchy,
    LabelVocabulary,
    PretrainedEmbedder,
    VisualFeaturizer,
    load,
    save,
)
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.models._calibration import fit_temperature
from skdevise.models._label_kernels import (
    DefinitionKernel,
    GlossKernel,
    HierarchyKernel,
    LabelFacts,
    LabelKernel,
    NameKernel,
    SentenceKernel,
    _stem,
)
from skdevise.models._label_weights import WeightRegression

# pet -> cat, dog; dog -> beagle, husky; machine -> truck, tractor
TREE = Hierarchy.from_edges(
    [
        ("pet", "cat"),
        ("pet", "dog"),
        ("dog", "beagle"),
        ("dog", "husky"),
        ("machine", "truck"),
        ("machine", "tractor"),
    ],
    definitions={
        "cat": "a small animal with whiskers",
        "beagle": "a small hound with long ears",
        "husky": "a hound with thick fur",
        "truck": "a machine with wheels",
        "tractor": "a machine with large wheels",
    },
)
VECTORS = PretrainedEmbedder(
    {
        "cat": [1, 0, 0.2],
        "beagle": [0.8, 0.5, 0],
        "husky": [0.7, 0.6, 0.1],
        "truck": [0, 0.1, 1],
        "tractor": [0.1, 0, 0.9],
    }
)


def facts(*labels):
    """What TREE knows of some of its labels."""
    ones = [np.ones(1)] * len(labels)
    return LabelFacts([(x,) for x in labels], [TREE.positions([x]) for x in labels], ones)


def make_features(seed=0):
    rng = np.random.default_rng(seed)
    y = np.repeat(["cat", "beagle", "truck"], 8)
    centres = {"cat": [5, 1, 0, 2], "beagle": [4, 3, 0, 1], "truck": [0, 1, 6, 2]}
    return np.abs([centres[label] + rng.normal(0, 0.5, 4) for label in y]), y


def test_ancestors_of_many_training_labels_count_less():
    # Training labels cat, beagle, truck. Below pet: 2, dog: 1, machine: 1, and 1 for each label
    # itself; husky has none, and counts like 1. Squared weights are 1 / n.
    # husky: {husky 1, dog 1, pet 1/2}, length^2 2.5. cat: {cat 1, pet 1/2}, length^2 1.5.
    # beagle: {beagle 1, dog 1, pet 1/2}, length^2 2.5. truck: {truck, machine}: 2.
    kernel = HierarchyKernel(TREE)
    gram = kernel.fit(facts("cat", "beagle", "truck"))
    assert_allclose(np.diag(gram), 1)
    assert_allclose(gram[0, 1], 0.5 / np.sqrt(1.5 * 2.5))
    expected = [[0.5 / np.sqrt(2.5 * 1.5), 1.5 / 2.5, 0]]
    assert_allclose(kernel(facts("husky")), expected)


def test_a_name_with_several_senses_is_their_mean():
    kernel = HierarchyKernel(TREE)
    kernel.fit(facts("cat", "beagle", "truck"))
    both = LabelFacts([("pet",)], [TREE.positions(["husky", "tractor"])], [np.array([0.75, 0.25])])
    expected = 0.75 * kernel(facts("husky")) + 0.25 * kernel(facts("tractor"))
    assert_allclose(kernel(both), expected)


def test_names_are_compared_by_centred_vectors():
    kernel = NameKernel(VECTORS, TREE, uses_all=False)
    gram = kernel.fit(facts("cat", "beagle", "truck"))
    vectors = VECTORS.transform(["cat", "beagle", "truck", "husky"]).astype(float)
    centred = vectors - vectors[:3].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    expected = np.exp((centred @ centred.T - 1) / 0.3)
    assert_allclose(gram, expected[:3, :3], atol=1e-7)
    assert_allclose(kernel(facts("husky")), expected[3:, :3], atol=1e-7)


def test_a_name_without_a_vector_is_similar_to_itself_alone():
    few = PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1]})
    kernel = NameKernel(few, TREE, uses_all=False)
    gram = kernel.fit(facts("cat", "beagle", "truck"))
    assert_array_equal(gram[1], [0, 1, 0])
    assert_array_equal(kernel(facts("husky")), [[0, 0, 0]])


def test_definitions_share_rare_words():
    kernel = DefinitionKernel(TREE)
    gram = kernel.fit(facts("cat", "beagle", "truck"))
    assert_allclose(np.diag(gram), 1)
    husky, tractor = kernel(facts("husky", "tractor"))
    assert husky.argmax() == 1  # "hound"
    assert tractor.argmax() == 2  # "machine", "wheel"
    # A label without a sense has the words of its name.
    (unknown,) = kernel(LabelFacts([("hound",)], [np.zeros(0, int)], [np.zeros(0)]))
    assert unknown.argmax() == 1
    assert not kernel(LabelFacts([("xyzzy",)], [np.zeros(0, int)], [np.zeros(0)])).any()


def test_definitions_equal_a_naive_reference():
    edges = [("animal", "dog"), ("animal", "cat"), ("dog", "hound"), ("hound", "beagle")]
    edges += [("hound", "basset"), ("cat", "tabby")]
    definitions = {
        "animal": "living beings of classes", "dog": "loyal living beings",
        "hound": "dogs for berries", "beagle": "small hounds", "basset": "long dog bus",
        "cat": "small berry class", "tabby": "cats gas glass",
    }  # fmt: skip
    plurals = {"beings": "being", "classes": "classe", "dogs": "dog", "berries": "berry"}
    plurals |= {"hounds": "hound", "cats": "cat"}
    words = {x: [plurals.get(word, word) for word in d.split()] for x, d in definitions.items()}
    parent = {child: above for above, child in edges}
    known = sorted({word for each in words.values() for word in each})

    def features(label):
        """Count words, those of relatives in part, and weigh them by their rarity."""
        children = [child for above, child in edges if above == label]
        parts = [(1, label), (0.5, parent.get(label)), (0.25, parent.get(parent.get(label)))]
        parts += [(0.5 / len(children), child) for child in children]
        row = []
        for word in known:
            count = sum(share * words[x].count(word) for share, x in parts if x) + (word == label)
            row.append(np.log(1 + count) * np.log(7 / sum(word in x for x in words.values())))
        return np.array(row) / np.linalg.norm(row)

    tree = Hierarchy.from_edges(edges, definitions=definitions)
    labels = ["dog", "hound", "tabby", "animal"]
    kernel = DefinitionKernel(tree)
    of_labels = LabelFacts.of(LabelVocabulary(labels), tree)
    expected = np.array([features(label) for label in labels])
    assert_allclose(kernel.fit(of_labels), expected @ expected.T, atol=1e-12)


def test_senses_count_by_the_root_of_their_uses():
    # "crane" is used 3 times for the bird and never for the machine: (3 + 1)^0.5 = 2 and 1.
    terms, counts = [["thing"], ["crane"], ["crane"]], [[0], [3], [0]]
    tree = Hierarchy(["thing", "bird", "machine"], [(0, 1), (0, 2)], terms, counts=counts)
    found = LabelFacts.of(LabelVocabulary(["crane", "bird"]), tree)
    assert [rows.tolist() for rows in found.senses] == [[1, 2], [1]]
    assert_allclose(found.shares[0], [2 / 3, 1 / 3])
    assert found.shares[1] == [1]


@pytest.mark.parametrize(
    ("word", "stem"),
    [("berries", "berry"), ("dogs", "dog"), ("ears", "ear"), ("gas", "gas"), ("glass", "glass")],
)
def test_plurals_have_the_stem_of_their_singular(word, stem):
    assert _stem(word) == stem


def test_a_name_is_its_first_term_or_the_mean_of_its_terms():
    nothing = [np.zeros(0, int)] * 3
    names = LabelFacts([("cat", "truck"), ("beagle",), ("husky",)], nothing, nothing)
    cat, truck, beagle, husky = VECTORS.transform(["cat", "truck", "beagle", "husky"]).astype(float)
    mean = (cat + truck) / np.linalg.norm(cat + truck)
    for uses_all, name in ((False, cat), (True, mean)):
        vectors = np.array([name, beagle, husky])
        centred = vectors - vectors.mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        kernel = NameKernel(VECTORS, TREE, uses_all).fit(names)
        assert_allclose(kernel, np.exp((centred @ centred.T - 1) / 0.3), atol=1e-6)


def test_the_kernels_have_fixed_shares():
    one_sense = facts("cat", "beagle", "truck")
    terms = [("cat", "husky"), ("beagle",), ("truck",)]
    of_labels = LabelFacts(terms, one_sense.senses, one_sense.shares)
    encoder = EncoderEmbedder(lambda batch: np.array([[len(x), x.count("a"), 9] for x in batch]))

    def names(embedder):
        """Each of the two kernels of names has a share of a quarter."""
        kernels = (NameKernel(embedder, TREE, uses_all) for uses_all in (False, True))
        return sum(kernel.fit(of_labels) for kernel in kernels) / 4

    gloss, sentence, definition, hierarchy = (
        kernel.fit(of_labels)
        for kernel in (
            *(GlossKernel(VECTORS, TREE), SentenceKernel(encoder, TREE)),
            *(DefinitionKernel(TREE), HierarchyKernel(TREE)),
        )
    )
    one = 0.4 * hierarchy + 0.6 * (0.5 * gloss + names(VECTORS) + definition) / 2
    assert_allclose(LabelKernel(TREE, [VECTORS], 0.4).fit(of_labels), one)
    # Two embedders share their part.
    both = (0.5 * gloss + names(VECTORS) + 2 * sentence + names(encoder)) / 2
    two = 0.4 * hierarchy + 0.6 * (both + definition) / ((1 + 2.5) / 2 + 1)
    assert_allclose(LabelKernel(TREE, [VECTORS, encoder], 0.4).fit(of_labels), two)
    # Without a hierarchy, only the names count.
    assert_allclose(LabelKernel(None, [VECTORS], 0.4).fit(of_labels), 2 * names(VECTORS))
    kernel = LabelKernel(TREE, [VECTORS], 0.4)
    kernel.fit(of_labels)
    assert set(kernel.parts(of_labels)) == {"hierarchy", "name", "definition"}


def test_definitions_are_compared_by_the_vectors_of_their_words():
    words = PretrainedEmbedder({"hound": [1, 0, 0], "wheel": [0, 1, 0], "whisker": [0, 0, 1]})
    kernel = GlossKernel(words, TREE)
    gram = kernel.fit(facts("cat", "beagle", "truck"))
    assert_allclose(np.diag(gram), 1)
    husky, tractor = kernel(facts("husky", "tractor"))
    assert husky.argmax() == 1  # "hound"
    assert tractor.argmax() == 2  # "wheels"


def test_scores_equal_the_formula():
    X, y = make_features()
    linear = LogisticRegression().fit(X, y)
    linear.coef_ += [0.5, -0.2, 0.1, 0.0]  # The rows of other classifiers have a mean.
    clf = ClassifierWeightRegressor(FrozenEstimator(linear), hierarchy=TREE, hierarchy_weight=1.0)
    clf.fit(X, y)
    points = np.array([[4.0, 2.5, 0.5, 1.0], [0.5, 1.0, 5.0, 2.0]])
    candidates = ["husky", "tractor", "dog"]

    classes = linear.classes_.tolist()  # beagle, cat, truck
    kernel = HierarchyKernel(TREE)
    gram = kernel.fit(facts(*classes))
    rows = linear.coef_ - linear.coef_.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    damped = np.sign(X) * np.abs(X) ** 0.35
    centre = damped.mean(axis=0)

    def place(features):
        x = np.sign(features) * np.abs(features) ** 0.35 - centre
        return x / np.linalg.norm(x)

    expected = np.empty((2, 3))
    for i, features in enumerate(points):
        logits = (linear.coef_ @ features + linear.intercept_) / 2
        proba = np.exp(logits) / np.exp(logits).sum()
        for j, label in enumerate(candidates):
            k = kernel(facts(label))[0]
            w = np.linalg.inv(gram + 0.3 * np.eye(3)) @ k @ rows
            w /= np.linalg.norm(w)
            g = k - k.mean()
            g /= 3**0.5 * np.mean(np.abs(g) ** 3) ** (1 / 3)
            hub = 0.05 * np.log(np.mean([np.exp(place(x) @ w / 0.05) for x in X]))
            expected[i, j] = place(features) @ w + 5 * proba @ g - 0.4 * hub
    assert_allclose(clf.decision_function(points, candidates), expected, atol=1e-5)


def test_similarities_are_scaled_by_their_cubic_mean_with_a_hierarchy():
    # Without their mean, the similarities 3, 0, 0 are 2, -1, -1, of length 6 ** (1 / 2). Their
    # cubic mean is ((8 + 1 + 1) / 3) ** (1 / 3), and the length of three such entries is larger.
    lengths = {False: 6 ** (1 / 2), True: 3 ** (1 / 2) * (10 / 3) ** (1 / 3)}
    for has_hierarchy, length in lengths.items():
        regression = WeightRegression(np.eye(3), np.eye(3), 0.3, 5.0, has_hierarchy)
        vector = regression.predict(np.array([[3.0, 0.0, 0.0]]))[0]
        assert_allclose(vector[3:6], np.array([2, -1, -1]) / length / 2**0.5, rtol=1e-6)
        assert_allclose(np.linalg.norm(vector), 1, rtol=1e-6)


def test_unseen_labels_get_the_answers_of_their_relatives():
    X, y = make_features()
    for known in (
        {"hierarchy": TREE},
        {"embedder": VECTORS},
        {"embedder": [VECTORS], "hierarchy": TREE},
    ):
        clf = ClassifierWeightRegressor(**known).fit(X, y)
        answers = clf.predict(X, labels=["husky", "tractor"])
        assert_array_equal(answers, np.where(y == "truck", "tractor", "husky"))
        assert clf.score(X, y) > 0.9


def test_reasons_add_up_to_the_score():
    X, y = make_features()
    clf = ClassifierWeightRegressor(embedder=VECTORS, hierarchy=TREE, hub_penalty=0).fit(X, y)
    reasons = clf.explain(X[:2], ["husky", "tractor"], k=2, n_reasons=100)
    top, scores = clf.predict_top_k(X[:2], 2, ["husky", "tractor"], return_scores=True)
    for i, j in np.ndindex(2, 2):
        of_answer = reasons[(reasons["sample"] == i) & (reasons["label"] == top[i, j])]
        is_label = of_answer["kind"] == "training label"
        assert_allclose(of_answer["contribution"][is_label].sum(), scores[i, j], atol=1e-5)
        assert_allclose(of_answer["contribution"][~is_label].sum(), scores[i, j], atol=1e-5)
    assert set(reasons["kind"]) == {"training label", "ancestor", "name", "definition"}


def test_reasons_use_the_terms_of_the_candidates():
    X, y = make_features()
    clf = ClassifierWeightRegressor(embedder=VECTORS, hierarchy=TREE, hub_penalty=0).fit(X, y)
    named = LabelVocabulary([7, 9], terms=["husky", "tractor"])
    expected = clf.explain(X[:2], ["husky", "tractor"], k=2)["contribution"]
    for labels in (named, clf.label_space(named), {"a": ["husky"], "b": ["tractor"]}):
        assert_allclose(clf.explain(X[:2], labels, k=2)["contribution"], expected)
    numbers = LabelVocabulary([0, 1, 2], terms=["beagle", "cat", "truck"])
    clf.set_params(labels=numbers).fit(X, np.searchsorted(["beagle", "cat", "truck"], y))
    reasons = clf.explain(X[:1], n_reasons=1)
    assert reasons["label"].unique().tolist() == [1]
    assert (reasons["contribution"] > 0).all()


def test_reasons_of_tables():
    X, y = make_features()
    table = pd.DataFrame(X, columns=list("abcd"))
    clf = ClassifierWeightRegressor(hierarchy=TREE).set_output(transform="pandas").fit(table, y)
    assert clf.explain(table[:2], ["husky"])["sample"].unique().tolist() == [0, 1]
    for n_reasons in (0, -1, 1.5, None):
        with pytest.raises(ValueError, match="n_reasons"):
            clf.explain(table, n_reasons=n_reasons)


def test_a_fitted_classifier_keeps_its_hierarchy_and_takes_a_new_penalty():
    X, y = make_features()
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X, y)
    before = clf.decision_function(X, ["husky", "tractor"])
    clf.set_params(hierarchy=None)
    assert_array_equal(clf.decision_function(X, ["tractor", "husky"]), before[:, ::-1])
    clf.set_params(hub_penalty=2.0)
    again = ClassifierWeightRegressor(hierarchy=TREE, hub_penalty=2.0).fit(X, y)
    expected = again.decision_function(X, ["husky", "tractor"])
    assert_allclose(clf.decision_function(X, ["husky", "tractor"]), expected)


def test_a_saved_classifier_gives_the_same_answers(tmp_path):
    X, y = make_features()
    clf = ClassifierWeightRegressor(embedder=VECTORS, hierarchy=TREE).fit(X, y)
    save(clf, tmp_path / "classifier")
    again = load(tmp_path / "classifier")
    labels = ["husky", "tractor"]
    assert_array_equal(again.predict_proba(X, labels), clf.predict_proba(X, labels))
    assert again.explain(X, labels).equals(clf.explain(X, labels))


def test_an_encoder_encodes_definitions():
    texts = []

    def encode(batch):
        texts.extend(batch)
        return np.array([[text.count(letter) + 1 for letter in "aeiourst"] for text in batch])

    X, y = make_features()
    clf = ClassifierWeightRegressor(embedder=EncoderEmbedder(encode), hierarchy=TREE).fit(X, y)
    clf.predict(X, labels=["tractor"])
    assert "a photo of a tractor, a machine with large wheels" in texts


def test_unknown_labels_are_named():
    X, y = make_features()
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X, y)
    with pytest.raises(LabelWithoutVectorError, match="xyzzy") as caught:
        clf.predict(X, labels=["husky", "xyzzy"])
    assert "wordnet" not in str(caught.value)  # It does not help this classifier.
    with pytest.warns(UserWarning, match="xyzzy"):
        dropped = LabelVocabulary(["husky", "xyzzy"], on_missing="drop")
        assert set(clf.predict(X, labels=dropped)) == {"husky"}
    with pytest.raises(LabelWithoutVectorError, match="xyzzy"):
        clf.predict(X, labels=LabelVocabulary(["husky", "xyzzy"], on_missing="wordnet"))
    with pytest.raises(ValueError, match="5"):  # A number is not a word.
        clf.predict(X, labels=[5, 6])
    with pytest.raises(LabelWithoutVectorError, match="xyzzy"):
        clf.fit(X, np.where(y == "cat", "xyzzy", y))


def test_unknown_labels_are_refused_before_the_training():
    class Untrainable(LogisticRegression):
        def fit(self, X, y):
            raise AssertionError("The classifier was trained.")

    X, y = make_features()
    clf = ClassifierWeightRegressor(Untrainable(), VECTORS, hierarchy=TREE)
    with pytest.raises(LabelWithoutVectorError, match="xyzzy"):
        clf.fit(X, np.where(y == "cat", "xyzzy", y))


def test_a_label_may_have_synonyms_and_senses():
    X, y = make_features()
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X, y)
    expected = clf.decision_function(X, ["husky", "tractor"])
    named = clf.decision_function(X, {"sled dog": ["xyzzy", "husky"], "farm machine": "tractor"})
    assert_allclose(named, expected)


def test_other_linear_classifiers_serve_and_others_are_refused():
    X, y = make_features()
    clf = ClassifierWeightRegressor(RidgeClassifier(), hierarchy=TREE).fit(X, y)
    assert clf.score(X, y) > 0.9
    # The rows of SVC compare pairs of classes. Of 3 classes there are as many pairs.
    # The first parameter of DeViSEClassifier is the embedder.
    embedder = PretrainedEmbedder({"cat": [1, 0]})
    for refused in (GaussianNB(), SVC(kernel="linear"), embedder):
        with pytest.raises(TypeError, match=type(refused).__name__):
            ClassifierWeightRegressor(refused, hierarchy=TREE).fit(X, y)


def test_a_weight_of_two_counts_as_two_samples():
    X, y = make_features()
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    for params in ({}, {"classifier": FrozenEstimator(LogisticRegression().fit(X, y))}):
        clf = ClassifierWeightRegressor(embedder=VECTORS, hierarchy=TREE, **params)
        weighted = clone(clf).fit(X, y, sample_weight=weight)
        repeated = clone(clf).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
        for labels in (None, ["husky", "tractor", "cat"]):
            expected = repeated.decision_function(X, labels)
            assert_allclose(weighted.decision_function(X, labels), expected, atol=1e-4)
            expected = repeated.predict_proba(X, labels)
            assert_allclose(weighted.predict_proba(X, labels), expected, atol=1e-3)
        assert (
            np.abs(weighted.decision_function(X) - clf.fit(X, y).decision_function(X)).max() > 0.01
        )


def test_a_class_without_any_weight_is_no_training_label():
    X, y = make_features()
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X, y, sample_weight=y != "cat")
    assert clf.classes_.tolist() == ["beagle", "truck"]


def test_weights_need_a_classifier_that_accepts_them():
    X, y = make_features()
    clf = ClassifierWeightRegressor(LinearDiscriminantAnalysis(), hierarchy=TREE)
    with pytest.raises(TypeError, match="LinearDiscriminantAnalysis"):
        clf.fit(X, y, sample_weight=np.arange(len(y)))
    assert clf.fit(X, y, sample_weight=np.ones(len(y))).score(X, y) > 0.9


@pytest.mark.parametrize("name", ["alpha", "hub_penalty"])
def test_penalties_have_a_limit(name):
    with pytest.raises(ValueError, match=name):
        ClassifierWeightRegressor(hierarchy=TREE, **{name: 1e300}).fit(*make_features())


def test_held_out_classes_fit_the_temperature_of_unseen_labels():
    rng = np.random.default_rng(0)
    labels = ["cat", "beagle", "husky", "truck", "tractor", "dog"]
    centres = rng.uniform(0, 5, (6, 4))
    X = np.abs(np.repeat(centres, 10, axis=0) + rng.normal(0, 0.3, (60, 4)))
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X, np.repeat(labels, 10))
    # Samples of classes without photos are harder.
    assert clf.unseen_temperature_ > 2 * clf.temperature_


def test_penalties_are_as_large_as_the_scores():
    X, y = make_features()
    clf = ClassifierWeightRegressor(hierarchy=TREE, mixture_weight=100.0, seen_penalty=80.0)
    clf.fit(X, y)
    assert set(clf.predict(X, labels=["cat", "beagle", "truck", "husky", "tractor"])) == {
        "husky",
        "tractor",
    }


def test_two_classes_have_opposite_weights():
    X, y = make_features()
    two = y != "cat"
    clf = ClassifierWeightRegressor(hierarchy=TREE).fit(X[two], y[two])
    assert_allclose(clf.coef_[0], -clf.coef_[1])
    assert clf.score(X[two], y[two]) == 1
    assert_array_equal(clf.predict(X[two][:1], labels=["tractor", "husky"]), ["husky"])


def tiny_net():
    """A network of 3 classes whose features are the mean colours of 4 parts of a photo."""
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(12, 3))


def test_the_softmax_layer_of_a_visual_model_serves():
    rng = np.random.default_rng(0)
    photos = list(rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8))
    y = np.repeat(["cat", "beagle", "truck"], 4)
    visual = VisualFeaturizer(tiny_net, weights=None, image_size=8, random_state=0, max_epochs=2)
    clf = ClassifierWeightRegressor(hierarchy=TREE, visual=visual).fit(photos, y)
    assert_array_equal(clf.coef_, clf.visual_.softmax_coef_)
    assert_array_equal(clf.classes_, clf.visual_.classes_)
    features = clf.visual_.transform(photos)
    labels = ["husky", "tractor"]
    assert_allclose(clf.predict_proba(features, labels), clf.predict_proba(photos, labels))
    for table in (pd.DataFrame(features), torch.from_numpy(features)):
        assert_array_equal(clf.predict(table, labels), clf.predict(photos, labels))
    # Features serve in `fit` too, if the visual model is fitted.
    again = clone(clf).set_params(visual=FrozenEstimator(clf.visual_)).fit(features, y)
    assert_array_equal(again.predict(photos, labels), clf.predict(photos, labels))


def test_paths_of_photos_in_columns(tmp_path):
    pl = pytest.importorskip("polars")
    photos = list(np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8))
    paths = [str(tmp_path / f"{i}.png") for i in range(6)]
    for photo, path in zip(photos, paths, strict=True):
        Image.fromarray(photo).save(path)
    visual = VisualFeaturizer(tiny_net, weights=None, image_size=8, random_state=0, max_epochs=1)
    clf = ClassifierWeightRegressor(hierarchy=TREE, visual=visual)
    clf.fit(pd.Series(paths), ["cat", "beagle", "truck"] * 2)
    expected = clf.predict_proba(photos)
    for column in (pd.Series(paths), pd.DataFrame({"path": paths}), pl.DataFrame({"path": paths})):
        assert_allclose(clf.predict_proba(column), expected)


def test_samples_of_other_labels_fit_the_temperature():
    X, y = make_features()
    linear = FrozenEstimator(LogisticRegression().fit(X, y))
    relatives = {"cat": "dog", "beagle": "husky", "truck": "tractor"}
    other = np.array([relatives[label] for label in y])
    clf = ClassifierWeightRegressor(linear, hierarchy=TREE).fit(X, other)
    assert clf.classes_.tolist() == ["beagle", "cat", "truck"]
    assert 0 < clf.unseen_temperature_ < 10
    # Samples of labels that are dropped do not count.
    labels = ["dog", "husky", "tractor"]
    clf.set_params(labels=LabelVocabulary(labels, on_missing="drop"))
    with pytest.warns(UserWarning, match="armadillo"):
        clf.fit(np.vstack([X[:9], X]), np.append(["armadillo"] * 9, other))
    scores = clf.decision_function(X, labels=labels)
    expected = fit_temperature(scores, np.searchsorted(labels, other), len(X))
    assert clf.temperature_ == pytest.approx(expected)
