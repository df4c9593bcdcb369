"""The data, word vectors and runs that the tables of `reproduce_paper.py` share."""

import csv
import tarfile
import time
from pathlib import Path, PurePosixPath

import numpy as np
from _paper_systems import Setting, SideBySide, frozen_softmax, systems_of
from joblib import Memory
from sklearn.utils import Bunch

from skdevise import LabelVocabulary, PretrainedEmbedder, VisualFeaturizer, datasets
from skdevise.metrics import generalized_scores
from skdevise.model_selection import tune_seen_penalty
from skdevise.models import predict_top_k


def answer(clf, X, y, X_test, candidates):
    """Train a classifier, and rank its 20 best answers among each of the candidates: list."""
    clf.fit(X, y)
    return [predict_top_k(clf, X_test, 20, labels) for labels in candidates]


def generalize(clf, X, y, X_test, y_test, labels):
    """Compute the accuracies on seen and unseen labels, without and with a penalty, in percent."""
    penalty, seen = tune_seen_penalty(clf, X, y, random_state=0), set(y.tolist())
    space = clf.fit(X, y).label_space(LabelVocabulary(labels, on_missing="drop"))
    found = clf.decision_function(X_test, labels=space)
    # A label that the system does not know loses against all others.
    scores = np.full((len(X_test), len(labels)), found.min() - 1e6)
    scores[:, np.searchsorted(labels, space.labels)] = found
    return [
        100 * accuracy[name]
        for accuracy in (
            generalized_scores(y_test, scores, labels=labels, seen=seen, seen_penalty=value)
            for value in (0, penalty)
        )
        for name in ("seen", "unseen", "harmonic_mean")
    ]


class Study:
    """The data, word vectors and systems that the tables share."""

    def __init__(self, args, n_classes, step):
        self.seeds = range(1 if args.quick else args.seeds)
        self.photos = None if args.quick else args.photos
        self.n_classes = n_classes
        self.step = step
        self.cache = args.cache
        memory = Memory(args.cache / "answers", verbose=0)
        self.answer, self.generalize = memory.cache(answer), memory.cache(generalize)
        vectors = [read_vectors(text) for text in args.vectors or ["bundled"]]
        self.embedders = {f"{name}, {e.vector_size_}-d": e for name, e in vectors}
        # The word vectors of the systems other than DeViSE.
        self.embedder_name, self.embedder = next(iter(self.embedders.items()))
        self.systems = systems_of(self.embedders)

    def featurize(self, photos):
        """Compute the features of photos, or read them from the cache."""
        featurizer = VisualFeaturizer(
            "efficientnet_lite0", cache=self.cache / "features", batch_size=64, verbose=1
        )
        return featurizer.fit(photos[:1]).transform(photos)

    def imagenet(self):
        """Load one photo of each of the 1,000 classes, or of fewer: features and synset ids."""
        if self.photos is None:
            X, y = datasets.load_imagenet_features(return_X_y=True)
        else:
            with tarfile.open(self.photos / "imagenet-one-per-class.tar") as tar:
                files = sorted((f for f in tar if f.isfile()), key=lambda file: file.name)
                photos = [tar.extractfile(file).read() for file in files]
            y = np.array([PurePosixPath(file.name).name.partition("_")[0] for file in files])
            X = self.featurize(photos)
        rows = np.linspace(0, len(y) - 1, self.n_classes, dtype=int)
        return X[rows], y[rows]

    def caltech(self):
        """Load Caltech-101: features, names, synset ids ("" for none), and kinds of classes.

        The network was trained on classes that are seen. A strict class has no broader or narrower
        class among those that the network was trained on.
        """
        if self.photos is None:
            caltech = datasets.load_caltech101_features()
            row = np.searchsorted(caltech.target_names, caltech.target)
            return Bunch(
                X=caltech.data,
                y=caltech.target,
                synset=caltech.synsets[row],
                is_seen=caltech.split[row] == "seen",
                is_strict=caltech.strict[row],
            )
        with (self.photos / "imagenet/caltech101-classes.csv").open(newline="") as file:
            rows = {row["folder"]: row for row in csv.DictReader(file)}
        folder = datasets.load_image_folder(self.photos / "caltech101-40.tar")
        kept = [rows[label]["split"] in ("seen", "unseen") for label in folder.target]
        rows = [rows[label] for label in folder.target[kept]]
        return Bunch(
            X=self.featurize(folder.data[kept]),
            y=np.array([row["term"] for row in rows]),
            synset=np.array([row["wnid"] for row in rows]),
            is_seen=np.array([row["split"] == "seen" for row in rows]),
            is_strict=np.array([row["strict"] == "yes" for row in rows]),
        )

    def tiny_imagenet(self, part):
        """Load a part of Tiny-ImageNet: features and synset ids."""
        photos = datasets.load_image_folder(
            self.photos / "tiny-imagenet-200-sample.tar", folder=part
        )
        return self.featurize(photos.data), photos.target

    def with_vector(self, X, y, embedder=None):
        """Keep the photos whose label has a vector of an embedder, by default the first."""
        known = ~np.isin(y, self.missing(y, embedder))
        return X[known], y[known]

    def missing(self, y, embedder=None):
        """List the labels without a vector of an embedder, by default the first."""
        embedder = self.embedder if embedder is None else embedder
        return LabelVocabulary(np.unique(y)).coverage(embedder).missing

    def gaps(self, y):
        """Say which word vectors lack training labels: list of sentences."""
        gaps = {name: len(self.missing(y, embedder)) for name, embedder in self.embedders.items()}
        return [
            f"{name} has no vector for {n} of the {len(np.unique(y))} training classes. DeViSE "
            "with these vectors is trained on the others, and never answers with a class without "
            "a vector."
            for name, n in gaps.items()
            if n
        ]

    def make(self, system, seed, y, hierarchy):
        """Make a system for some training labels, or return None if it cannot answer."""
        print(f"{time.strftime('%H:%M:%S')} {system.name}, seed {seed}", flush=True)
        softmax = frozen_softmax(np.unique(y))
        if system.needs_softmax and softmax is None:
            return None
        clf = system.make(Setting(self.embedder, softmax, hierarchy, seed))
        if "calibrate" in clf.get_params():
            clf.set_params(calibrate=False)  # No table has probabilities.
        return clf

    def rank(self, system, X, y, X_test, candidates, hierarchy):
        """Rank the answers of a system with each seed: list of lists of arrays."""
        X, y = self.with_vector(X, y, system.embedder)
        return [
            self.answer(clf, X, y, X_test, candidates)
            for seed in (self.seeds if system.is_random else self.seeds[:1])
            if (clf := self.make(system, seed, y, hierarchy)) is not None
        ]


def read_vectors(text):
    """Read word vectors from the argument NAME=FILE+FILE: (name, embedder)."""
    name, _, files = text.rpartition("=")
    embedders = [
        datasets.load_term_vectors().embedder
        if file == "bundled"
        else PretrainedEmbedder.load(file)
        for file in files.split("+")
    ]
    return name or Path(files).stem, embedders[0] if len(embedders) == 1 else SideBySide(embedders)
