"""Types in public signatures, for editors and type checkers."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame
    from sklearn.utils import Bunch
    from torch.nn import Module

    from skdevise.labels import Hierarchy, LabelSpace, LabelVocabulary
    from skdevise.labels._coverage import Coverage
    from skdevise.models import ClassifierWeightRegressor
    from skdevise.vision import FeatureCache, VisualFeaturizer
else:
    # Imports of these libraries are slow, and the modules of this package would import each other.
    Axes = Bunch = ClassifierWeightRegressor = Coverage = DataFrame = FeatureCache = Any
    Hierarchy = LabelSpace = LabelVocabulary = Module = VisualFeaturizer = Any


class Column(Protocol):
    """An array, a tensor, or a table or column of any library."""

    def __array__(self, *args: Any, **kwargs: Any) -> NDArray[Any]: ...


class PhotoList(Protocol):
    """A sequence or dataset of paths, bytes, images or arrays."""

    def __len__(self) -> int: ...

    def __getitem__(self, item: Any, /) -> Any: ...


class Embedder(Protocol):
    """A fitted term embedder: ours, or one of a user."""

    def transform(self, *args: Any, **kwargs: Any) -> Any: ...


class Classifier(Protocol):
    """A classifier, Pipeline or search of ours or of scikit-learn."""

    def fit(self, *args: Any, **kwargs: Any) -> Any: ...

    def predict(self, *args: Any, **kwargs: Any) -> Any: ...


ArrayLike: TypeAlias = Sequence[Any] | Column
Groups: TypeAlias = Hierarchy | Mapping[Any, Any] | ArrayLike | Callable[[Any], Any]
Labels: TypeAlias = ArrayLike | Mapping[Any, Any] | LabelVocabulary | LabelSpace
PathLike: TypeAlias = str | os.PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
Inputs: TypeAlias = ArrayLike | PhotoList
Terms: TypeAlias = Sequence[str] | Column

Average: TypeAlias = Literal["sample", "class"]
FeatureScaling: TypeAlias = Literal["centered", "l2", "standard", "none"]
Hubness: TypeAlias = Literal["csls", "inverted_softmax"] | None
Pool: TypeAlias = Literal["terms", "first", "mean"]
Precision: TypeAlias = Literal["float32", "bfloat16"]
Search: TypeAlias = Literal["auto", "exact", "hnsw", "lsh", "tree"]
