"""skdevise: visual-semantic embedding with a scikit-learn interface.

It learns word vectors from text, image features from photos, and a projection from one space into
the other. Its classifiers can predict labels that they never saw in training. Every name is loaded
on first use (PEP 562), so `import skdevise` does not load torch, torchvision, gensim, nltk, skorch
or matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

# The module that defines each public name.
_HOMES = {
    "SkipGramEmbedder": "language",
    "PretrainedEmbedder": "language",
    "EncoderEmbedder": "language",
    "RandomEmbedder": "language",
    "VisualFeaturizer": "vision",
    "FeatureCache": "vision",
    "OpenVINOFeaturizer": "vision",
    "to_openvino": "vision",
    "LabelVocabulary": "labels",
    "LabelSpace": "labels",
    "Hierarchy": "labels",
    "DeViSEClassifier": "models",
    "ConSEClassifier": "models",
    "RidgeProjectionClassifier": "models",
    "ESZSLClassifier": "models",
    "DirectSimilarityClassifier": "models",
    "NoveltySwitchClassifier": "models",
    "NearestClassMeanClassifier": "models",
    "NearestLabelClassifier": "models",
    "WSABIEClassifier": "models",
    "ClassifierWeightRegressor": "models",
    "load_zero_shot_classifier": "_ready",
    "load": "persistence",
    "save": "persistence",
    "show_versions": "_versions",
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

if TYPE_CHECKING:
    from skdevise import (
        datasets,
        exceptions,
        inspection,
        labels,
        language,
        metrics,
        model_selection,
        models,
        vision,
    )
    from skdevise._ready import load_zero_shot_classifier
    from skdevise._versions import show_versions
    from skdevise.labels import Hierarchy, LabelSpace, LabelVocabulary
    from skdevise.language import (
        EncoderEmbedder,
        PretrainedEmbedder,
        RandomEmbedder,
        SkipGramEmbedder,
    )
    from skdevise.models import (
        ClassifierWeightRegressor,
        ConSEClassifier,
        DeViSEClassifier,
        DirectSimilarityClassifier,
        ESZSLClassifier,
        NearestClassMeanClassifier,
        NearestLabelClassifier,
        NoveltySwitchClassifier,
        RidgeProjectionClassifier,
        WSABIEClassifier,
    )
    from skdevise.persistence import load, save
    from skdevise.vision import (
        FeatureCache,
        OpenVINOFeaturizer,
        VisualFeaturizer,
        to_openvino,
    )

__all__ = [*_HOMES, *_MODULES, "__version__"]

if not TYPE_CHECKING:  # A type checker would believe that every name exists.

    def __getattr__(name):
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
