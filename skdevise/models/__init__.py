"""Classifiers that predict labels they never saw in training."""

from skdevise.models._conse import ConSEClassifier
from skdevise.models._devise import DeViSEClassifier
from skdevise.models._direct_similarity import DirectSimilarityClassifier
from skdevise.models._eszsl import ESZSLClassifier
from skdevise.models._nearest_class_mean import NearestClassMeanClassifier
from skdevise.models._nearest_label import NearestLabelClassifier
from skdevise.models._novelty_switch import NoveltySwitchClassifier
from skdevise.models._ridge import RidgeProjectionClassifier
from skdevise.models._top_k import predict_top_k
from skdevise.models._weight_regression import ClassifierWeightRegressor
from skdevise.models._wsabie import WSABIEClassifier

__all__ = [
    "ClassifierWeightRegressor",
    "ConSEClassifier",
    "DeViSEClassifier",
    "DirectSimilarityClassifier",
    "ESZSLClassifier",
    "NearestClassMeanClassifier",
    "NearestLabelClassifier",
    "NoveltySwitchClassifier",
    "RidgeProjectionClassifier",
    "WSABIEClassifier",
    "predict_top_k",
]
