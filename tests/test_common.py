"""Contracts that every estimator keeps, in the manner of imbalanced-learn's `test_common.py`.

The dictionaries below list each estimator in its smallest useful forms. scikit-learn's checks run
first on all classifiers of features. A battery of our own then runs on all estimators.
"""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.utils import estimator_checks, get_tags
from torch import nn

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    EncoderEmbedder,
    ESZSLClassifier,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    NearestClassMeanClassifier,
    NearestLabelClassifier,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    SkipGramEmbedder,
    VisualFeaturizer,
    WSABIEClassifier,
    load,
    save,
)
from skdevise.metrics import HitAtK, hit_at_k
from skdevise.models._fitted_projection import TunedEmbedder

LABELS = ["cat", "dog", "truck"]
UNSEEN = ["yak", "lynx", "lorry", "emu"]
EMBEDDER = RandomEmbedder(8)
HIERARCHY = Hierarchy.from_edges(
    [("animal", label) for label in ("cat", "dog", "yak", "lynx", "emu", "10", "11", "0", "1")]
    + [("vehicle", label) for label in ("truck", "lorry", "12", "7", "2")]
)
# The names and numbers of the training labels have the directions of their features.
FEATURE_EMBEDDER = TunedEmbedder(
    RandomEmbedder(4), [*LABELS, *"012", "10", "11", "12"], np.tile(np.eye(4)[:3], (3, 1))
)


def tiny_projection(n_features, vector_size):
    """A projection with a hidden layer."""
    return nn.Sequential(nn.Linear(n_features, 16), nn.ReLU(), nn.Linear(16, vector_size))


def tiny_net():
    """A net from 16 x 16 photos to 6 features and 3 scores."""
    pooled = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(pooled, nn.Linear(6, 3))


def encode(texts):
    """Encode texts by the numbers of four of their letters."""
    return np.array([[1 + text.count(letter) for letter in "acty"] for text in texts], float)


def devise(**params):
    """A classifier that trains in a few steps."""
    params = {"max_epochs": 6, "lr": 0.3, "random_state": 0, **params}
    return DeViSEClassifier(EMBEDDER, **params)


CLASSIFIERS = {
    "devise, random vectors": DeViSEClassifier(max_epochs=6, lr=0.3, random_state=0),
    "devise": devise(),
    "devise, all negatives": devise(negatives="all"),
    "devise, hardest negative": devise(negatives="hardest"),
    "devise, 2 negatives": devise(negatives=2),
    "devise, more negative labels": devise(negative_labels=UNSEEN),
    "devise, warp": devise(loss="warp"),
    "devise, mse": devise(loss="mse"),
    "devise, cosine": devise(loss="cosine"),
    "devise, contrastive": devise(loss="contrastive"),
    "devise, callable projection": devise(projection=tiny_projection, lr=0.1, max_epochs=15),
    "devise, standard scaling": devise(feature_scaling="standard"),
    "devise, l2 scaling": devise(feature_scaling="l2"),
    "devise, no scaling": devise(feature_scaling="none"),
    "devise, trained label vectors": devise(train_label_vectors=True),
    "devise, early stopping": devise(early_stopping=True, validation_fraction=0.3),
    "devise, csls": devise(hubness="csls"),
    "devise, inverted softmax": devise(hubness="inverted_softmax"),
    "conse, random vectors": ConSEClassifier(),
    "conse, seen penalty": ConSEClassifier(embedder=EMBEDDER, seen_penalty=0.1),
    "ridge, random vectors": RidgeProjectionClassifier(),
    "ridge, standard scaling": RidgeProjectionClassifier(EMBEDDER, feature_scaling="standard"),
    "eszsl, random vectors": ESZSLClassifier(),
    "eszsl, no scaling": ESZSLClassifier(EMBEDDER, feature_scaling="none"),
    "wsabie": WSABIEClassifier(embedding_size=8, max_epochs=8, lr=0.3, random_state=0),
    "weight regression, random vectors": ClassifierWeightRegressor(),
    "weight regression": ClassifierWeightRegressor(embedder=EMBEDDER),
    "direct similarity, random vectors": DirectSimilarityClassifier(),
    "direct similarity": DirectSimilarityClassifier(embedder=EMBEDDER, n_similar=2),
    "novelty switch, random vectors": NoveltySwitchClassifier(),
    "novelty switch, mix": NoveltySwitchClassifier(
        embedder=EMBEDDER, novelty="loop", combination="mix"
    ),
    "class means": NearestClassMeanClassifier(metric="euclidean"),
    "class means, metric": NearestClassMeanClassifier(n_components=3, random_state=0),
    "class means, hierarchy": NearestClassMeanClassifier(
        HIERARCHY, n_components=4, max_epochs=2, random_state=0
    ),
    "nearest label": NearestLabelClassifier(FEATURE_EMBEDDER),
}
# Classifiers whose points are not of unit length.
LONG_POINTS = (
    ClassifierWeightRegressor,
    DirectSimilarityClassifier,
    NearestClassMeanClassifier,
    WSABIEClassifier,
)
EMBEDDERS = {
    "random": RandomEmbedder(4),
    "pretrained": PretrainedEmbedder((LABELS + UNSEEN, encode(LABELS + UNSEEN))),
    "encoder": EncoderEmbedder(encode),
    "skip-gram": SkipGramEmbedder(4, min_count=1, n_jobs=1, random_state=0),
}
FEATURIZERS = {
    "featurizer": VisualFeaturizer(tiny_net, image_size=16, random_state=0),
    "featurizer, pre-trained": VisualFeaturizer(
        tiny_net, weights=None, image_size=16, max_epochs=2, random_state=0
    ),
}
ESTIMATORS = {**CLASSIFIERS, **EMBEDDERS, **FEATURIZERS}

# A parameter that changes the next fit, and only that.
NEXT_FIT = {
    DeViSEClassifier: {"max_epochs": 1, "optimizer": "sgd"},
    ConSEClassifier: {"classifier": LogisticRegression(C=0.01)},
    RidgeProjectionClassifier: {"alpha": 100.0},
    ESZSLClassifier: {"label_alpha": 100.0},
    NearestLabelClassifier: {},
    WSABIEClassifier: {"max_epochs": 1, "embedding_size": 3},
    NearestClassMeanClassifier: {"metric": "learned", "n_components": 2},
    ClassifierWeightRegressor: {"mixture_weight": 0.0},
    DirectSimilarityClassifier: {"classifier": LogisticRegression(C=0.01)},
    NoveltySwitchClassifier: {"projection": RidgeProjectionClassifier(alpha=100.0)},
    SkipGramEmbedder: {"vector_size": 3},
    VisualFeaturizer: {"random_state": 1},
}


def make_features():
    """Return 24 samples of three classes, which are easy to separate: X (24, 4), y."""
    y = np.repeat(LABELS, 8)
    X = np.repeat(np.eye(4)[:3], 8, axis=0)
    return X + np.random.default_rng(0).uniform(0, 0.2, (24, 4)), y


def training_data(estimator):
    """Return X and y for `fit`."""
    if isinstance(estimator, VisualFeaturizer):
        photos = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
        return list(photos), np.array(LABELS * 2)
    if type(estimator) in map(type, EMBEDDERS.values()):
        return [" ".join(LABELS + UNSEEN)] * 9, None
    return make_features()


def test_data(estimator):
    """Return X for `transform` and `predict`."""
    is_embedder = type(estimator) in map(type, EMBEDDERS.values())
    return LABELS + UNSEEN if is_embedder else training_data(estimator)[0]


test_data.__test__ = False


def by_name(estimators):
    """A fixture's parameters: estimators with their names as ids."""
    return {"params": list(estimators.values()), "ids": list(estimators)}


@pytest.fixture(**by_name(ESTIMATORS))
def estimator(request):
    """An estimator that is not fitted. A test may change it."""
    return copy.deepcopy(request.param)


@pytest.fixture(**by_name(CLASSIFIERS))
def classifier(request):
    """A classifier of features that is not fitted."""
    return clone(request.param)


@pytest.fixture(scope="module", **by_name(CLASSIFIERS))
def fitted_classifier(request):
    """A fitted classifier. Tests do not change it."""
    return clone(request.param).fit(*make_features())


# --- scikit-learn's checks


def expected_failures(estimator):
    """Excuse stochastic training, as scikit-learn excuses its own."""
    if not hasattr(estimator, "max_epochs") or getattr(estimator, "metric", "") == "euclidean":
        return {}
    failures = {
        "check_sample_weight_equivalence_on_dense_data": "A repeated sample comes in other batches "
        "and meets other false labels than a sample of weight 2."
    }
    if getattr(estimator, "projection", None) == "linear":
        failures["check_class_weight_classifiers"] = (
            "A linear map without a bias sends opposite samples to opposite points, so it cannot "
            "predict one class for all samples."
        )
    return failures


# Features must have the size of the label vectors, which random vectors always have. The labels of
# scikit-learn's checks are in no hierarchy.
CHECKED = CLASSIFIERS | {"nearest label": NearestLabelClassifier()}
del CHECKED["class means, hierarchy"]
# These differ from other forms of DeViSE only in the training, which other tests cover. Ridge
# projections also scale features.
SLOWLY_CHECKED = {
    name: CHECKED.pop(name)
    for form in (
        "all negatives", "hardest negative", "2 negatives", "more negative labels", "warp", "mse",
        "cosine", "contrastive", "callable projection", "standard scaling", "no scaling",
        "early stopping", "csls", "inverted softmax",
    )
    for name in [f"devise, {form}"]
}  # fmt: skip


def parametrize_with_checks(estimators):
    """scikit-learn's decorator with our names, which are the same in all processes of pytest."""
    cases = []
    for name, estimator in estimators.items():
        checks = estimator_checks.estimator_checks_generator(
            estimator, expected_failed_checks=expected_failures(estimator), mark="xfail"
        )
        for case in checks:
            (_, check), marks = getattr(case, "values", case), getattr(case, "marks", ())
            options = "".join(f", {key}={value}" for key, value in check.keywords.items())
            title = f"{name}-{check.func.__name__}{options}"
            cases.append(pytest.param(estimator, check, marks=marks, id=title))
    return pytest.mark.parametrize(("estimator", "check"), cases)


@parametrize_with_checks(CHECKED)
def test_scikit_learns_checks(estimator, check):
    if isinstance(estimator, NearestLabelClassifier) and "X_dtype" in check.keywords:
        pytest.skip("At chance, the probabilities are equal up to the rounding of float32.")
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(SLOWLY_CHECKED)
def test_scikit_learns_checks_of_other_forms(estimator, check):
    check(estimator)


# scikit-learn only fits estimators of numbers. Terms and photos get its checks without data.
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_mixin_order,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.parametrize("name", [*EMBEDDERS, *FEATURIZERS])
def test_scikit_learns_checks_without_data(name, check):
    estimator = copy.deepcopy(ESTIMATORS[name])
    check(type(estimator).__name__, estimator)


# --- All estimators


def test_a_clone_has_the_same_parameters_and_the_same_fit(estimator):
    X, y = training_data(estimator)
    expected = estimator.fit(X, y).transform(test_data(estimator))
    cloned = clone(estimator)
    assert repr(cloned) == repr(estimator)
    if get_tags(estimator).requires_fit:
        with pytest.raises(NotFittedError):
            cloned.transform(test_data(estimator))
    assert_allclose(cloned.fit(X, y).transform(test_data(estimator)), expected, atol=1e-6)


def test_parameters_set_after_fit_change_the_next_fit(estimator):
    if not get_tags(estimator).requires_fit:
        pytest.skip("The estimator has no fitted state.")
    data, X = training_data(estimator), test_data(estimator)
    before = estimator.fit(*data).transform(X)
    params = NEXT_FIT[type(estimator)]
    assert_array_equal(estimator.set_params(**params).transform(X), before)
    after = estimator.fit(*data).transform(X)
    assert after.shape != before.shape or not np.allclose(after, before)
    assert_allclose(clone(estimator).fit(*data).transform(X), after, atol=1e-6)


# Invalid values of parameters that predictions read.
INVALID = {
    "search": "nearest",
    "seen_penalty": np.nan,
    "hubness": "csl",
    "hub_penalty": -1.0,
    "reject_below": 2.0,
    "unknown_label": None,
    "n_top": 0,
    "n_similar": 0,
    "combination": "both",
    "temperature": 0.0,
}


def test_predictions_refuse_invalid_parameters(fitted_classifier):
    X, y = make_features()
    methods = "predict", "predict_top_k", "predict_proba", "predict_confidence", "decision_function"
    for name in INVALID.keys() & fitted_classifier.get_params():
        clf = copy.copy(fitted_classifier).set_params(**{name: INVALID[name]})
        for method in methods:
            with pytest.raises(ValueError, match=name):
                getattr(clf, method)(X)
        with pytest.raises(ValueError, match=name):
            clf.score(X, y)


def test_a_failed_fit_changes_nothing(classifier):
    X, y = make_features()
    unfitted = set(vars(classifier))
    # The classifiers open the candidates after they have placed the training labels.
    classifier.set_params(labels=[])
    with pytest.raises(ValueError, match="no labels"):
        classifier.fit(X, y)
    assert set(vars(classifier)) == unfitted
    before = classifier.set_params(labels=None).fit(X, y).predict_proba(X)
    for method, n_features in (("fit", 3), ("partial_fit", 4)):
        if hasattr(classifier, method):
            classifier.set_params(labels=[])
            with pytest.raises(ValueError):  # noqa: PT011
                getattr(classifier, method)(X[:, :n_features], np.repeat(["dog", "emu"], 12))
            classifier.set_params(labels=None)
            assert_array_equal(classifier.predict_proba(X), before)


TRUSTED = [f"{__name__}:{function.__name__}" for function in (tiny_projection, tiny_net, encode)]


@pytest.mark.parametrize("form", ["tensor", "list of tensors"])
def test_features_and_weights_can_be_tensors(classifier, form):
    X, y = make_features()
    X, weight = torch.from_numpy(X).bfloat16().requires_grad_(), torch.ones(24).requires_grad_()
    table, ones = X.detach().float().numpy(), np.ones(24, np.float32)
    if form == "list of tensors":
        # Older versions of scikit-learn keep the precision of weights in an array.
        X, weight, table, ones = list(X), list(weight), list(table), list(ones)
    expected = clone(classifier).fit(table, y, sample_weight=ones)
    classifier.fit(X, y, sample_weight=weight)
    assert_allclose(classifier.predict_proba(X), expected.predict_proba(table), rtol=1e-6)
    assert classifier.score(X, y, sample_weight=weight) == expected.score(table, y)
    if hasattr(classifier, "partial_fit"):
        classifier.partial_fit(X, y, sample_weight=weight)


def test_tables_may_have_any_index(classifier):
    X, y = make_features()
    expected = clone(classifier).fit(X, y).predict_proba(X)
    # pandas 2 looks up table[:1] by label if the index holds floats.
    table = pd.DataFrame(X, index=np.arange(len(X), 0, -1) / 2)
    assert_allclose(classifier.fit(table, y).predict_proba(table), expected, rtol=1e-4)


def test_photos_and_columns_of_arrays_are_no_features(fitted_classifier):
    X, y = make_features()
    paths = [f"{i}.jpg" for i in range(len(X))]
    arrays = pd.Series(list(X))
    for wrong, advice in [
        (paths, "VisualFeaturizer"),
        (pd.Series(paths), "VisualFeaturizer"),
        (pd.DataFrame({"path": paths}), "VisualFeaturizer"),
        (pd.Series(paths, index=np.linspace(1, 0, len(X))), "VisualFeaturizer"),
        (polars_column(paths), "VisualFeaturizer"),
        (arrays, "np.stack"),
        (arrays.to_frame(), "np.stack"),
        (pd.DataFrame({"number": 1, "features": arrays}), "np.stack"),
        (arrays.to_numpy(), "np.stack"),
        (polars_column(X.tolist()), "np.stack"),
    ]:
        with pytest.raises(ValueError, match=advice):
            clone(fitted_classifier).fit(wrong, y)
        with pytest.raises(ValueError, match=advice):
            fitted_classifier.predict(wrong)


def test_files_and_paths_are_no_features(fitted_classifier, tmp_path):
    X, y = make_features()
    np.savez(tmp_path / "features.npz", train=X)
    with np.load(tmp_path / "features.npz") as file:
        for wrong, named in [(file, "'train'"), ({"test": X}, "'test'"), ("X.npy", "'X.npy'")]:
            with pytest.raises(TypeError, match=named):
                clone(fitted_classifier).fit(wrong, y)
            with pytest.raises(TypeError, match=named):
                fitted_classifier.predict(wrong)


def test_a_saved_file_gives_the_same_results(estimator, tmp_path):
    data, X = training_data(estimator), test_data(estimator)
    estimator.fit(*data)
    save(estimator, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", trusted=TRUSTED)
    assert_array_equal(loaded.transform(X), estimator.transform(X))
    if hasattr(estimator, "predict_proba"):
        assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    assert str(loaded) == str(estimator)


def test_a_pickle_gives_the_same_results(estimator):
    X = test_data(estimator)
    unfitted = pickle.loads(pickle.dumps(estimator))
    assert repr(unfitted) == repr(estimator)
    estimator.fit(*training_data(estimator))
    again = pickle.loads(pickle.dumps(estimator))
    assert_allclose(again.transform(X), estimator.transform(X), rtol=1e-6)
    if hasattr(estimator, "classes_"):
        assert_array_equal(again.predict(X), estimator.predict(X))


def test_every_method_needs_a_fit(estimator):
    X, y = test_data(estimator), training_data(estimator)[1]
    if not get_tags(estimator).requires_fit:
        assert len(estimator.transform(X)) == len(X)
        return
    calls = {
        "transform": (X,),
        "predict_proba": (X,),
        "predict_log_proba": (X,),
        "predict_top_k": (X,),
        "decision_function": (X,),
        "label_space": (UNSEEN,),
        "get_feature_names_out": (),
    }
    if y is not None:
        calls |= {"predict": (X,), "score": (X, y)}
    for method, args in calls.items():
        if hasattr(estimator, method):
            with pytest.raises(NotFittedError):
                getattr(estimator, method)(*args)


def as_numpy(value):
    """List a parameter in the types that it has in a grid made by NumPy."""
    if isinstance(value, bool):
        return [np.bool_(value)]
    if isinstance(value, int):
        return [np.int64(value), np.int32(value)]
    if isinstance(value, float):
        return [np.float64(value), np.float32(value)]
    return [np.str_(value)] if isinstance(value, str) else []


# Values whose defaults are None, or take another path through the code.
NUMPY_VALUES = {
    DeViSEClassifier: {
        "negatives": [np.int64(2), np.str_("all")],
        "loss": [np.str_("contrastive"), np.str_("warp")],
        "loss_temperature": [np.float32(0.1)],
        "lr_schedule": [np.str_("cosine")],
        "optimizer": [np.str_("sgd")],
        "early_stopping": [np.bool_(True)],
        "train_label_vectors": [np.bool_(True)],
        "negative_labels": [np.array(UNSEEN)],
        "class_weight": [np.str_("balanced")],
        "hubness": [np.str_("csls")],
        "labels": [np.array(LABELS + UNSEEN)],
        "random_state": [np.int64(3), np.uint32(3)],
    },
    ConSEClassifier: {"hubness": [np.str_("csls")]},
    SkipGramEmbedder: {"negative": [np.int64(2)], "sample": [np.float32(0.1)]},
    VisualFeaturizer: {"augment": [np.str_("flip_crop")], "random_state": [np.int64(3)]},
}


# The last form of each type.
@pytest.mark.parametrize("name", {type(form): name for name, form in ESTIMATORS.items()}.values())
def test_scalars_of_numpy_are_parameters(name):
    estimator = copy.deepcopy(ESTIMATORS[name])
    values = {name: as_numpy(value) for name, value in estimator.get_params(deep=False).items()}
    for parameter, more in NUMPY_VALUES.get(type(estimator), {}).items():
        values[parameter] = values[parameter] + more
    shortest = {"max_epochs": 1} if "max_epochs" in values else {}
    is_immutable = type(estimator).__sklearn_clone__ in (
        PretrainedEmbedder.__sklearn_clone__,
        EncoderEmbedder.__sklearn_clone__,
    )
    for parameter, forms in values.items():
        for value in forms:
            if is_immutable:
                params = estimator.get_params(deep=False) | {parameter: value}
                changed = type(estimator)(**params)
            else:
                changed = clone(estimator).set_params(**shortest | {parameter: value})
            changed.fit(*training_data(estimator))
            changed.transform(test_data(estimator))


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        (devise(), {"lr": 1e30}),
        (devise(), {"lr": 1e40}),
        (devise(), {"finetune_lr": 1e40}),
        (devise(), {"margin": 1e39}),
        (devise(), {"negatives": 10**11}),
        (devise(), {"loss": "contrastive", "loss_temperature": 1e-40}),
        (devise(), {"loss": "contrastive", "loss_temperature": 1e30}),
        (devise(), {"seen_penalty": 1e300}),
        (ConSEClassifier(), {"seen_penalty": -1e300}),
        (RidgeProjectionClassifier(), {"alpha": 1e300}),
        (ESZSLClassifier(), {"label_alpha": 1e300}),
        (SkipGramEmbedder(), {"lr": 1e30}),
        (VisualFeaturizer(tiny_net, weights=None, image_size=16), {"lr": 1e40}),
    ],
)
def test_extreme_values_are_refused_by_name(estimator, params):
    name = list(params)[-1]
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        clone(estimator).set_params(**params).fit(*training_data(estimator))


# `True` is a number in Python, but nobody means a margin of 1 by it.
@pytest.mark.parametrize("name", {type(form): name for name, form in ESTIMATORS.items()}.values())
def test_a_bool_is_no_number(name):
    estimator = copy.deepcopy(ESTIMATORS[name])
    params = estimator.get_params(deep=False)
    numbers = {key for key, value in params.items() if type(value) in (int, float)}
    numbers |= {"negatives", "loss_temperature", "lr", "reject_below", "n_jobs", "image_size"}
    for parameter in (numbers & params.keys()) - {"verbose", "random_state"}:
        for value in (True, np.True_):
            changed = type(estimator)(**params | {parameter: value})
            with pytest.raises(ValueError, match=f"'{parameter}' parameter"):
                changed.fit(*training_data(estimator))


def test_largest_and_smallest_values_train():
    X, y = make_features()
    X = X.astype(np.float32)
    for params in (
        {"margin": 1e6},
        {"negatives": 100_000},
        {"loss": "contrastive", "loss_temperature": 1e-4},
        {"loss": "contrastive", "loss_temperature": 1e4, "max_epochs": 60},
        {"lr": 1e6},
        {"lr": 1e6, "optimizer": "adam"},
        {"batch_size": 10**12},
        {"seen_penalty": 10},
    ):
        assert devise(**params).fit(X, y).score(X, y) > 0.8
    for alpha in (1e-6, 1e8):
        assert ESZSLClassifier(alpha=1e8, label_alpha=alpha).fit(X, y).score(X, y) > 0.8
        assert RidgeProjectionClassifier(alpha=alpha).fit(X, y).score(X, y) > 0.8
    with pytest.warns(UserWarning, match="max_epochs=0"):
        devise(max_epochs=0).fit(X, y)


def test_only_fit_changes_an_estimator(estimator):
    estimator.fit(*training_data(estimator))
    X = test_data(estimator)
    for fitted in (estimator, pickle.loads(pickle.dumps(estimator))):
        for method in ("transform", "predict", "predict_proba", "decision_function", "score"):
            # The `predict` and `score` of an embedder take vectors and pairs.
            if type(fitted) not in map(type, CLASSIFIERS.values()) and method != "transform":
                continue
            before = dict(vars(fitted))
            getattr(fitted, method)(*training_data(fitted) if method == "score" else (X,))
            if get_tags(fitted).requires_fit:
                assert vars(fitted).keys() == before.keys()
            assert all(vars(fitted)[name] is before[name] for name in before)


def test_one_row_gives_the_same_as_many(estimator):
    X = test_data(estimator)
    estimator.fit(*training_data(estimator))
    points = estimator.transform(X)
    assert len(points) == len(X)
    for row in (0, 3, len(X) - 1):
        assert_allclose(estimator.transform(X[row : row + 1])[0], points[row], atol=1e-5)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_returns_a_table_with_the_names_of_the_features(estimator, library):
    pytest.importorskip(library, reason=f"{library} is not installed.")
    X = test_data(estimator)
    points = estimator.fit(*training_data(estimator)).transform(X)
    names = [f"{type(estimator).__name__.lower()}{i}" for i in range(points.shape[1])]
    assert estimator.get_feature_names_out().tolist() == names
    table = estimator.set_output(transform=library).transform(X)
    assert type(table).__module__.startswith(library)
    assert list(table.columns) == names
    assert_allclose(table.to_numpy(), points, atol=1e-6)
    if hasattr(estimator, "classes_"):
        assert set(estimator.predict(X)) <= set(estimator.classes_)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_as_the_output_of_all_transformers_change_no_answer(classifier, library):
    X, y = make_features()
    expected = clone(classifier).fit(X, y).predict_proba(X)
    with config_context(transform_output=library):
        # A table places vectors elsewhere in memory, which can change the last digits of products.
        assert_allclose(classifier.fit(X, y).predict_proba(X), expected, rtol=1e-4)


# --- Labels and terms


def pyarrow_column(values):
    """A column of a pyarrow Table."""
    return pytest.importorskip("pyarrow", reason="needs pyarrow").chunked_array([list(values)])


def polars_column(values):
    """A column of a polars DataFrame."""
    return pytest.importorskip("polars", reason="needs polars").Series(list(values))


def variable_text(values):
    """An array of NumPy's StringDType."""
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("StringDType needs NumPy 2.")
    return np.array(values, dtype=np.dtypes.StringDType())


# Each form of a column of text. The index of a pandas Series need not start at 0.
COLUMNS = {
    "list": list,
    "objects": lambda values: np.array(values, dtype=object),
    "StringDType": variable_text,
    "pandas": lambda values: pd.Series(values, index=np.arange(len(values)) + 7),
    "pandas string": lambda values: pd.Series(values, dtype="string"),
    "pandas categories": lambda values: pd.Series(values, dtype="category"),
    "polars": polars_column,
    "pyarrow": pyarrow_column,
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_text_may_be_a_column_of_any_library(estimator, column):
    X, y = training_data(estimator)
    if y is None:
        expected = estimator.fit(X).transform(LABELS)
        assert_allclose(clone(estimator).fit(column(X)).transform(column(LABELS)), expected)
    else:
        estimator.fit(X, column(y))
        if getattr(estimator, "weights", None) is None:  # Other featurizers ignore y.
            assert estimator.classes_.tolist() == LABELS


def test_a_dict_of_labels_is_refused(estimator):
    X, y = training_data(estimator)
    if y is None or getattr(estimator, "weights", None) is not None:
        pytest.skip("The estimator needs no labels.")
    # NumPy would read the keys, or make one object of it.
    labels = dict(enumerate(y))
    fits = [getattr(estimator, name) for name in ("fit", "partial_fit") if hasattr(estimator, name)]
    for fit in fits:
        with pytest.raises(TypeError, match="dict"):
            fit(X, labels)
    estimator.fit(X, y)
    if hasattr(estimator, "score"):
        with pytest.raises(TypeError, match="dict"):
            estimator.score(X, labels)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA], ids=str)
@pytest.mark.parametrize("form", [list, lambda values: np.array(values, dtype=object), pd.Series])
def test_a_missing_label_is_refused(estimator, form, missing):
    X, y = training_data(estimator)
    if y is None or getattr(estimator, "weights", None) is not None:
        pytest.skip("The estimator needs no labels.")
    with pytest.raises(ValueError, match="row 1"):
        estimator.fit(X, form([y[0], missing, *y[2:]]))
    with pytest.raises(ValueError, match="text and numbers"):
        estimator.fit(X, [1, "1", *y[2:]])


# --- All classifiers


# Each form of candidates, made from a list of labels and the vectors of a fitted classifier.
FORMS = {
    "list": lambda labels, clf: labels,
    "tuple": lambda labels, clf: tuple(labels),
    "array": lambda labels, clf: np.array(labels),
    "mapping": lambda labels, clf: {label: [label] for label in labels},
    "vocabulary": lambda labels, clf: LabelVocabulary(labels),
    "space": lambda labels, clf: clf.label_space(labels),
}


def knows_no_other_labels(classifier):
    """Return whether a classifier can only answer training labels: bool."""
    lacks_hierarchy = getattr(classifier, "hierarchy", None) is None
    is_mean = isinstance(classifier, NearestClassMeanClassifier)
    return isinstance(classifier, WSABIEClassifier) or (is_mean and lacks_hierarchy)


def other_labels(classifier):
    """Candidates that are unseen or, if a classifier cannot answer them, two training labels."""
    return ["truck", "dog"] if knows_no_other_labels(classifier) else UNSEEN


def test_points_are_unit_vectors(fitted_classifier):
    if isinstance(fitted_classifier, LONG_POINTS):
        pytest.skip("Its scores are no cosines.")
    points = fitted_classifier.transform(make_features()[0])
    assert_allclose(normalize(points), points, atol=1e-6)


def test_training_labels_are_learned(fitted_classifier):
    X, y = make_features()
    assert fitted_classifier.classes_.tolist() == LABELS
    assert fitted_classifier.score(X, y) > 0.8


def test_answers_need_no_calibration(fitted_classifier):
    X, y = make_features()
    classifier = clone(fitted_classifier)
    if isinstance(classifier, NoveltySwitchClassifier | NearestLabelClassifier):
        assert "calibrate" not in classifier.get_params()  # One needs it, and one trains nothing.
        return
    classifier.set_params(calibrate=False).fit(X, y)
    for labels in (None, other_labels(classifier)):
        assert_array_equal(classifier.predict(X, labels), fitted_classifier.predict(X, labels))
        scores = classifier.decision_function(X, labels)
        assert_array_equal(scores, fitted_classifier.decision_function(X, labels))
    for method in ("predict_proba", "predict_log_proba", "predict_confidence"):
        assert not hasattr(classifier, method)
    # A training label that is no candidate gets a column, although its score has no meaning.
    assert classifier.set_params(labels=LABELS[:2]).fit(X, y).decision_function(X).shape == (24, 3)
    classifier.set_params(calibrate=True)
    assert classifier.decision_function(X).shape == (24, 3)
    with pytest.raises(NotFittedError, match="calibrate=True"):
        classifier.predict_proba(X)
    with pytest.raises(ValueError, match=r"reject_below=0\.2"):
        classifier.set_params(calibrate=False, reject_below=0.2).fit(X, y)


@pytest.mark.parametrize("form", FORMS)
def test_candidates_come_in_any_ordered_form(fitted_classifier, form):
    X, _ = make_features()
    labels = [*other_labels(fitted_classifier), "cat"]
    candidates = FORMS[form](labels, fitted_classifier)
    expected = fitted_classifier.decision_function(X, labels)
    assert expected.shape == (24, len(labels))
    assert_allclose(fitted_classifier.decision_function(X, candidates), expected, atol=1e-6)
    top = fitted_classifier.predict_top_k(X, 2, labels=candidates)
    assert_array_equal(top[:, 0], np.array(labels)[expected.argmax(axis=1)])
    assert_array_equal(fitted_classifier.predict(X, labels=candidates), top[:, 0])


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_labels_may_be_a_column_of_any_library(fitted_classifier, column):
    X, y = make_features()
    labels = list(dict.fromkeys([*other_labels(fitted_classifier), *LABELS]))
    expected = fitted_classifier.predict_top_k(X, 2, labels)
    assert_array_equal(fitted_classifier.predict_top_k(X, 2, column(labels)), expected)
    assert fitted_classifier.score(X, column(y), labels=column(labels)) == hit_at_k(
        column(y), expected, 1
    )
    scorer = HitAtK(2, labels="all")
    assert scorer(fitted_classifier, X, column(y)) == scorer(fitted_classifier, X, y)


def test_tables_of_labels_are_refused(fitted_classifier):
    X, y = make_features()
    table = pd.DataFrame({"cat": ["dog"], "truck": ["yak"]})
    for labels in (table, {"cat", "dog"}):
        with pytest.raises(TypeError):
            fitted_classifier.predict(X, labels=labels)
        with pytest.raises(TypeError):
            LabelVocabulary(["cat", "dog"], terms=labels)


def test_numbers_may_be_objects(classifier):
    X, y = make_features()
    numbers = np.array([LABELS.index(label) for label in y])
    classifier.fit(X, numbers.astype(object))
    assert classifier.classes_.dtype.kind == "i"
    assert classifier.score(X, numbers.astype(object)) == classifier.score(X, numbers) > 0.8


def test_columns_follow_the_order_of_the_candidates(fitted_classifier):
    X, _ = make_features()
    labels = other_labels(fitted_classifier)
    scores = fitted_classifier.decision_function(X, labels)
    reverse = fitted_classifier.decision_function(X, labels[::-1])
    assert_allclose(reverse, scores[:, ::-1], atol=1e-6)
    assert_allclose(
        fitted_classifier.predict_proba(X), fitted_classifier.predict_proba(X, LABELS), atol=1e-6
    )


def test_a_set_of_candidates_is_refused(fitted_classifier):
    with pytest.raises(TypeError):
        fitted_classifier.predict(make_features()[0], labels=set(UNSEEN))


def test_log_probabilities_are_logarithms_of_probabilities(fitted_classifier):
    X, _ = make_features()
    for labels in (None, other_labels(fitted_classifier)):
        proba = fitted_classifier.predict_proba(X, labels)
        assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        log_proba = fitted_classifier.predict_log_proba(X, labels)
        assert_allclose(log_proba, np.log(proba), rtol=1e-4, atol=1e-6)
        ranked = fitted_classifier.predict_top_k(X, 1, labels)[:, 0]
        candidates = np.array(LABELS if labels is None else labels)
        assert_array_equal(candidates[proba.argmax(axis=1)], ranked)


def test_rejected_samples_get_the_unknown_label(fitted_classifier):
    X, _ = make_features()
    for labels in (None, other_labels(fitted_classifier)):
        proba = fitted_classifier.predict_proba(X, labels)
        confidence = fitted_classifier.predict_confidence(X, labels)
        assert (confidence <= proba + 1e-6).all()
        confidence = confidence.max(axis=1)
        answers = fitted_classifier.predict(X, labels)
        threshold = np.median(confidence)
        rejecting = copy.copy(fitted_classifier).set_params(reject_below=threshold)
        expected = np.where(confidence < threshold, "unknown", answers)
        assert_array_equal(rejecting.predict(X, labels), expected)
        assert_array_equal(rejecting.predict_top_k(X, 1, labels)[:, 0], answers)
        assert_allclose(rejecting.predict_proba(X, labels), proba, rtol=1e-5)


def test_both_temperatures_are_fitted(fitted_classifier):
    X, _ = make_features()
    assert 0 < fitted_classifier.temperature_ < np.inf
    assert 0 < fitted_classifier.unseen_temperature_ < np.inf
    other = other_labels(fitted_classifier)
    for labels in (None, other, list(dict.fromkeys([*LABELS, *other]))):
        assert (fitted_classifier.predict_proba(X, labels) < 1).all()


def test_all_temperatures_are_described(fitted_classifier):
    doc = fitted_classifier.__doc__
    is_described = "mixed_temperature_ : float" in doc and not knows_no_other_labels(
        fitted_classifier
    )
    assert hasattr(fitted_classifier, "mixed_temperature_") == is_described
    # A switch divides the scores of each kind of label before they compete.
    is_switch = isinstance(fitted_classifier, NoveltySwitchClassifier)
    assert is_described != (is_switch or knows_no_other_labels(fitted_classifier))


def test_score_is_hit_at_1(fitted_classifier):
    X, y = make_features()
    weight = np.random.default_rng(0).uniform(0, 1, 24)
    labels = list(dict.fromkeys([*LABELS, *other_labels(fitted_classifier)]))
    top = fitted_classifier.predict_top_k(X, 1, labels)
    expected = hit_at_k(y, top, 1, sample_weight=weight)
    assert fitted_classifier.score(X, y, weight, labels) == pytest.approx(expected)


def test_labels_may_be_numbers(classifier):
    X, y = make_features()
    numbers = np.array([10 + LABELS.index(label) for label in y])
    classifier.fit(X, numbers)
    assert classifier.classes_.tolist() == [10, 11, 12]
    assert classifier.predict(X).dtype == numbers.dtype
    other = [10, 12] if knows_no_other_labels(classifier) else [7, 12]
    assert classifier.predict(X, labels=other).dtype.kind == "i"
    assert classifier.score(X, numbers) > 0.8


def test_two_classes_have_one_column_of_scores(classifier):
    X, y = make_features()
    X, y = X[:16], y[:16]
    classifier.fit(X, y)
    scores = classifier.decision_function(X)
    assert scores.shape == (16,)
    assert_array_equal(scores > 0, classifier.predict(X) == "dog")
    assert classifier.decision_function(X, labels=["cat", "dog"]).shape == (16, 2)
    assert classifier.predict_proba(X).shape == (16, 2)
    # The constructor may name the two training labels, in any order and with synonyms.
    for labels in (["dog", "cat"], LabelVocabulary(["dog", "cat"]), {"dog": ["dog"], "cat": "cat"}):
        named = clone(classifier).set_params(labels=labels).fit(X, y)
        assert_allclose(named.decision_function(X), scores, atol=1e-6)
    if knows_no_other_labels(classifier):
        return
    for labels in (UNSEEN[:2], ["dog", "yak"], [*LABELS[:2], "yak"]):
        named = clone(classifier).set_params(labels=labels).fit(X, y)
        columns = dict.fromkeys([*LABELS[:2], *labels])
        assert named.decision_function(X).shape == (16, len(columns))


def test_points_keep_the_precision_of_the_features(classifier):
    X, y = make_features()
    classifier.fit(X, y)
    assert classifier.transform(X).dtype == classifier.predict_proba(X).dtype == np.float64
    # LogisticRegression answers in float64.
    if not isinstance(classifier, ConSEClassifier | DirectSimilarityClassifier):
        assert classifier.transform(X.astype(np.float32)).dtype == np.float32


def test_probabilities_of_float32_features_are_float32():
    # With three samples of each class, the temperature is corrected.
    X, y = make_features()
    X, y = X[::3].astype(np.float32), y[::3]
    # The default solver of scikit-learn 1.7 computes in float64.
    seen = LogisticRegression(solver="newton-cg")
    for form in (
        ConSEClassifier(seen, EMBEDDER),
        RidgeProjectionClassifier(EMBEDDER),
        DirectSimilarityClassifier(seen, EMBEDDER),
        NoveltySwitchClassifier(seen, EMBEDDER),
    ):
        clf = form.fit(X, y)
        for labels in (None, UNSEEN, LABELS + UNSEEN):
            assert clf.decision_function(X, labels).dtype == np.float32
            assert clf.predict_proba(X, labels).dtype == np.float32


def test_blocks_of_samples_change_no_answer(classifier, monkeypatch):
    X, y = make_features()
    X, weight = X.astype(np.float32), np.arange(1, len(X) + 1)
    whole = clone(classifier).fit(X, y, weight)
    methods = ("decision_function", "predict_proba", "predict_log_proba", "predict_confidence")
    expected = [getattr(whole, method)(X) for method in methods]
    monkeypatch.setattr("skdevise.models._features._BLOCK_SIZE", 5 * X.shape[1])
    monkeypatch.setattr("skdevise._ranking._BLOCK_ROWS", 7)
    classifier.fit(X, y, weight)
    for method, values in zip(methods, expected, strict=True):
        assert_allclose(getattr(classifier, method)(X), values, rtol=1e-3, atol=1e-4)


def test_samples_without_weight_are_ignored(classifier):
    X, y = make_features()
    weight = np.repeat([0, 1, 2], 8)  # No cat has one.
    fewer = clone(classifier).fit(X[8:], y[8:], weight[8:])
    classifier.fit(X, y, weight)
    assert classifier.classes_.tolist() == ["dog", "truck"]
    assert_allclose(classifier.predict_proba(X), fewer.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("search", ["exact", "hnsw", "tree"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_of_labels_with_equal_vectors_wins_in_every_batch(search, dtype):
    if search == "hnsw":
        pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((40, 50))
    vectors[:, 7] = 0  # Its sign must not matter.
    names = [f"term {number:02}" for number in range(40)]
    terms = names + [f"{name}, copy {copy}" for copy in "ab" for name in names]
    copies = np.vstack([vectors, vectors, vectors])
    copies[40:, 7] = -0.0
    embedder = PretrainedEmbedder((terms, copies))
    X, y = rng.standard_normal((66, 30)).astype(dtype), np.resize(names[:5], 66)
    clf = RidgeProjectionClassifier(embedder, search=search).fit(X, y)
    for candidates in (terms, terms[::-1], list(rng.permutation(terms))):
        space = LabelSpace(candidates, embedder, search)
        first = {name: next(t for t in candidates if t.startswith(name)) for name in names}
        expected = clf.predict(X, labels=space)
        assert set(expected) <= set(first.values())
        for n_rows in (1, 2, 11, 64, 66):
            parts = [
                clf.predict_top_k(X[start : start + n_rows], 4, labels=space)
                for start in range(0, 66, n_rows)
            ]
            assert_array_equal(np.concatenate(parts)[:, 0], expected)
        scores = clf.decision_function(X, labels=space)
        assert_array_equal(np.array(candidates)[scores.argmax(axis=1)], expected)


def test_the_labels_of_the_constructor_are_the_default_candidates(classifier):
    X, y = make_features()
    labels = other_labels(classifier)
    classifier.set_params(labels=labels).fit(X, y)
    assert classifier.classes_.tolist() == LABELS
    assert_array_equal(classifier.predict(X), classifier.predict(X, labels=labels))
    # Columns begin with `classes_`, as wrappers expect. Other training labels have no chance.
    columns = list(dict.fromkeys([*LABELS, *labels]))
    proba = classifier.predict_proba(X)
    chosen = [columns.index(label) for label in labels]
    assert_allclose(proba[:, chosen], classifier.predict_proba(X, labels=labels), rtol=1e-5)
    assert (np.delete(proba, chosen, axis=1) == 0).all()
    assert_array_equal(np.array(columns)[proba.argmax(axis=1)], classifier.predict(X))
