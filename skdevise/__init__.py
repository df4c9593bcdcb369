"""skdevise: visual-semantic embedding with a scikit-learn interface.

Word vectors from text, features from photos, a map from one space into the other, and labels that
the classifier never saw. Names are loaded when first used (PEP 562): importing the package
imports neither torch, torchvision, gensim, nltk nor matplotlib.
"""

from importlib import import_module

__version__ = "0.1.0.dev0"

_HOMES = {
    "SkipGramEmbedder": "language",
    "PretrainedEmbedder": "language",
    "EncoderEmbedder": "language",
    "RandomEmbedder": "language",
    "VisualFeaturizer": "vision",
    "FeatureCache": "vision",
    "LabelVocabulary": "labels",
    "LabelSpace": "labels",
    "Hierarchy": "labels",
    "DeViSEClassifier": "models",
    "ConSEClassifier": "models",
}
_MODULES = (
    "datasets",
    "exceptions",
    "inspection",
    "labels",
    "language",
    "metrics",
    "model_selection",
    "models",
    "vision",
)

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
