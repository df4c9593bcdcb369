"""A typed program that uses skdevise. `make types` checks it with mypy; nobody runs it.

`assert_type` fails if a signature loses its types. An unused "type: ignore" is an error too, so
each one states that mypy finds this mistake.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import skdevise
from skdevise import (
    DeViSEClassifier,
    FeatureCache,
    Hierarchy,
    LabelSpace,
    LabelVocabulary,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    SkipGramEmbedder,
    VisualFeaturizer,
    load_zero_shot_classifier,
)
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.inspection import RejectionCurveDisplay
from skdevise.metrics import HitAtK, hit_at_k
from skdevise.model_selection import UnseenClassSplit, tune_seen_penalty
from skdevise.models import predict_top_k


class UserEmbedder:
    """An embedder that shares no class with skdevise."""

    def transform(self, X: list[str]) -> NDArray[np.float64]:
        return np.eye(len(X))


def classify(photos: list[Path], names: list[str]) -> list[str]:
    classifier = load_zero_shot_classifier()
    assert_type(classifier.predict(photos, labels=names), NDArray[Any])
    reasons = classifier.explain(photos, {"cat": ["cat", "tomcat"]}, n_reasons=2)
    print(reasons.shape)
    return list(classifier.predict_top_k(photos, 5, names)[:, 0])


def train(X: NDArray[np.float32], y: list[str]) -> float:
    embedder = PretrainedEmbedder.load(Path("vectors.txt"), limit=1000)
    assert_type(embedder, PretrainedEmbedder)
    assert_type(embedder.transform(["cat"]), NDArray[np.float32])
    assert_type(embedder.most_similar("cat"), list[tuple[str, float]])
    classifier = DeViSEClassifier(embedder, loss="hinge_rank", lr="auto", random_state=0)
    assert_type(classifier.fit(X, y).partial_fit(X, y), DeViSEClassifier)
    assert_type(classifier.predict_proba(X, LabelVocabulary(["cat", "okapi"])), NDArray[Any])
    RidgeProjectionClassifier(UserEmbedder(), alpha=2).fit(X.tolist(), np.array(y))
    penalty = tune_seen_penalty(classifier, X, y, cv=UnseenClassSplit(3))
    print(predict_top_k(classifier, X, as_frame=True), HitAtK(5), penalty)
    RejectionCurveDisplay.from_estimator(classifier, X, y).plot()
    return hit_at_k(y, classifier.predict_top_k(X))


def describe(photos: list[bytes]) -> Iterator[float]:
    featurizer = VisualFeaturizer("resnet50", cache=FeatureCache("cache"), precision="bfloat16")
    assert_type(featurizer.fit(photos).transform(photos), NDArray[np.float32])
    for rows, features in featurizer.transform_iter(iter(photos)):
        assert_type(rows, NDArray[np.intp])
        yield float(features.max())


def look_up() -> None:
    tree = Hierarchy.from_edges([("animal", "cat"), ("animal", "dog")])
    assert_type(tree.definitions(["cat"]), list[str])
    space = LabelSpace(["cat", "dog"], RandomEmbedder(8), search="exact")
    assert_type(space.n_labels, int)
    assert_type(space.top_k([[0.0] * 8], 1), tuple[NDArray[Any], NDArray[Any]])
    skdevise.save(space, "space.safetensors")
    print(skdevise.load("space.safetensors"), skdevise.datasets.load_term_vectors().embedder)
    try:
        SkipGramEmbedder(tokenizer=str.split).fit([["a", "cat"]])
    except LabelWithoutVectorError as error:
        print(error.missing)


def make_mistakes(X: NDArray[np.float32]) -> None:
    DeViSEClassifier(loss="hinge")  # type: ignore[arg-type]
    DeViSEClassifier(margins=0.1)  # type: ignore[call-arg]
    RidgeProjectionClassifier({"cat": [1.0, 0.0]})  # type: ignore[arg-type]
    RidgeProjectionClassifier().fit(X)  # type: ignore[call-arg]
    LabelSpace(5, RandomEmbedder())  # type: ignore[arg-type]
    hit_at_k(["cat"], [["cat"]], k="1")  # type: ignore[arg-type]
    skdevise.DeViseClassifier()  # type: ignore[attr-defined]
