"""Write the saved models of one file format, and their answers, for the tests of later versions.

Run it once for each version of the format: `python tools/make_saved_models.py FOLDER`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdevise import (
    ClassifierWeightRegressor,
    ConSEClassifier,
    DeViSEClassifier,
    DirectSimilarityClassifier,
    ESZSLClassifier,
    Hierarchy,
    LabelVocabulary,
    NearestClassMeanClassifier,
    NoveltySwitchClassifier,
    PretrainedEmbedder,
    RandomEmbedder,
    RidgeProjectionClassifier,
    WSABIEClassifier,
    save,
)
from skdevise._storage import FORMAT

VECTORS = {"cat": [1, 0, 0], "truck": [0, 1, 0], "lynx": [0.9, 0.1, 0.4], "lorry": [0.1, 0.8, 0.6]}
UNSEEN = ["lynx", "lorry"]


def make_models():
    """Return small fitted classifiers: dict by name."""
    embedder = PretrainedEmbedder(VECTORS)
    hierarchy = Hierarchy.from_edges(
        [("animal", "cat"), ("animal", "lynx"), ("vehicle", "truck"), ("vehicle", "lorry")]
    )
    names = LabelVocabulary({"cat": ["cat"], "truck": ["truck", "lorry"]})
    models = {
        "conse": ConSEClassifier(embedder=embedder),
        "devise": DeViSEClassifier(embedder, lr=0.1, max_epochs=3, labels=names, random_state=0),
        "devise, random vectors": DeViSEClassifier(RandomEmbedder(3), max_epochs=3, random_state=0),
        "direct similarity": DirectSimilarityClassifier(embedder=embedder),
        "eszsl": ESZSLClassifier(embedder),
        "nearest class mean": NearestClassMeanClassifier(hierarchy, random_state=0),
        "novelty switch": NoveltySwitchClassifier(embedder=embedder),
        "pipeline": make_pipeline(StandardScaler(), RidgeProjectionClassifier(embedder)),
        "ridge": RidgeProjectionClassifier(embedder),
        "weight regression": ClassifierWeightRegressor(embedder=embedder),
        "wsabie": WSABIEClassifier(embedding_size=3, max_epochs=3, random_state=0),
    }
    X, y = make_features(20), ["cat", "truck"] * 10
    return {name: model.fit(X, y) for name, model in models.items()}


def make_features(n):
    """Return features of n photos, alternately of animals and of vehicles: (n, 4)."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)) + 2 * np.eye(4)[np.arange(n) % 2]


def answer(model, name):
    """Return the probabilities of 3 photos for seen and, where possible, for unseen labels."""
    options = [{}] if name == "wsabie" else [{}, {"labels": UNSEEN}]
    return [model.predict_proba(make_features(3), **option).tolist() for option in options]


def main():
    """Write the models and their answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    path = parser.parse_args().folder / f"{FORMAT.replace(' ', '_')}.safetensors"
    models = make_models()
    save(models, path)
    answers = {name: answer(model, name) for name, model in models.items()}
    path.with_suffix(".json").write_text(json.dumps(answers) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
