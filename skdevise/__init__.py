"""skdevise: visual-semantic embedding with a scikit-learn interface.

It learns word vectors from text, image features from photos, and a projection from one space into
the other. Its classifiers can predict labels that they never saw in training. Every name is loaded
on first use (PEP 562), so `import skdevise` does not load torch, torchvision, gensim, nltk, skorch
or matplotlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

# The modules that define the public names.
_PACKAGES = {
    "language": "EncoderEmbedder PretrainedEmbedder RandomEmbedder SkipGramEmbedder",
    "vision": "FeatureCache OpenVINOFeaturizer VisualFeaturizer to_openvino",
    "labels": "Hierarchy LabelSpace LabelVocabulary",
    "models": (
        "ClassifierWeightRegressor ConSEClassifier DeViSEClassifier DirectSimilarityClassifier "
        "ESZSLClassifier NearestClassMeanClassifier NearestLabelClassifier "
        "NoveltySwitchClassifier RidgeProjectionClassifier WSABIEClassifier"
    ),
    "persistence": "load save",
    "_ready": "load_zero_shot_classifier",
    "_versions": "show_versions",
}
_HOMES = {name: module for module, names in _PACKAGES.items() for name in names.split()}
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

if TYPE_CHECKING:  # A strict type checker finds only names that are imported in these ways.
    from skdevise import datasets as datasets
    from skdevise import exceptions as exceptions
    from skdevise import inspection as inspection
    from skdevise import metrics as metrics
    from skdevise import model_selection as model_selection
    from skdevise._ready import load_zero_shot_classifier as load_zero_shot_classifier
    from skdevise._versions import show_versions as show_versions
    from skdevise.labels import *
    from skdevise.language import *
    from skdevise.models import *
    from skdevise.persistence import *
    from skdevise.vision import *

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
