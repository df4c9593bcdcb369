"""Private names of other projects, in one place.

Each entry names the version in which it was seen. The rest of the package imports them from here.
"""

import sys
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any, TypeVar

# scikit-learn 1.7 to 1.9. Its developer documentation tells third parties to use these names, but
# their modules are private.
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_parameter_constraints
from sklearn.utils._param_validation import Interval as _Interval
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _num_samples as num_samples

if TYPE_CHECKING:
    _Function = TypeVar("_Function", bound=Callable[..., Any])

    # scikit-learn has no types. These decorators keep the signature of a function.
    def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Function], _Function]: ...
    def validate_params(constraints: dict[str, Any]) -> Callable[[_Function], _Function]: ...
    def available_if(check: Callable[[Any], bool]) -> Callable[[_Function], _Function]: ...
else:
    from sklearn.base import _fit_context as fit_context
    from sklearn.utils import _param_validation
    from sklearn.utils.metaestimators import available_if

    # Our functions call no function of scikit-learn with parameters of the user.
    validate_params = partial(_param_validation.validate_params, prefer_skip_nested_validation=True)

# Classes of scikit-learn 1.7 to 1.9 that are parts of fitted estimators, with their modules. Their
# objects consist of attributes, so they can be saved like estimators. A search holds its splitter
# and its scorer.
_SPLITTERS = (
    "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut PredefinedSplit ShuffleSplit "
    "StratifiedGroupKFold StratifiedKFold StratifiedShuffleSplit TimeSeriesSplit _CVIterableWrapper"
)
SKLEARN_PARTS = {
    **dict.fromkeys(_SPLITTERS.split(), "sklearn.model_selection._split"),
    "_CalibratedClassifier": "sklearn.calibration",
    "_ConstantPredictor": "sklearn.multiclass",
    "_PassthroughScorer": "sklearn.metrics._scorer",
    "_Scorer": "sklearn.metrics._scorer",
    "_SigmoidCalibration": "sklearn.calibration",
    "_TemperatureScaling": "sklearn.calibration",
    "AdamOptimizer": "sklearn.neural_network._stochastic_optimizers",
    "SGDOptimizer": "sklearn.neural_network._stochastic_optimizers",
}


class Interval(_Interval):
    """Numbers between two bounds. In scikit-learn they include True, which Python counts as 1."""

    def is_satisfied_by(self, val):
        """Return whether a value is such a number: bool."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def check_params(estimator, names):
    """Raise ValueError if a parameter of an estimator is invalid. It need not have all names."""
    # To check all parameters takes ten times as long.
    constraints = {n: c for n, c in estimator._parameter_constraints.items() if n in names}
    values = {name: getattr(estimator, name) for name in constraints}
    validate_parameter_constraints(constraints, values, type(estimator).__name__)


class DocumentationLinkMixin:
    """Link the HTML representation of an estimator to its page in our documentation."""

    # scikit-learn 1.7 to 1.9. Its developer documentation describes both names for third parties.
    _doc_link_module = "skdevise"

    @property
    def _doc_link_template(self):
        page = f"api/generated/skdevise.{type(self).__name__}.html"
        try:
            addresses = metadata("skdevise").get_all("Project-URL", [])
        except PackageNotFoundError:
            addresses = []
        for address in addresses:
            name, _, site = address.partition(", ")
            if name == "Documentation":
                return f"{site.rstrip('/')}/{page}"
        built = Path(__file__).parents[1] / "docs" / "_build" / "html" / page
        return built.as_uri() if built.exists() else ""


def _torchvision_folder():
    """Return the folder of torchvision without importing it, which takes as long as torch."""
    return Path(find_spec("torchvision").origin).parent


@cache
def imagenet_categories():
    """Return the names of the classes of ILSVRC-2012 in their usual order: list of str."""
    try:
        # torchvision 0.20 to 0.29.
        return run_path(_torchvision_folder() / "models" / "_meta.py")["_IMAGENET_CATEGORIES"]
    except (KeyError, OSError):
        from torchvision.models import ResNet50_Weights

        return ResNet50_Weights.DEFAULT.meta["categories"]


@cache
def _load_jpeg_decoder():
    """Load torchvision's library of decoders, without importing torchvision."""
    import torch

    # It is called image.so in torchvision 0.20, and image_stable.so in torchvision 0.29.
    for path in _torchvision_folder().glob("image*"):
        torch.ops.load_library(path)


def decode_jpeg(data):
    """Decode a JPEG by torchvision: uint8 (3, H, W), or None if torchvision cannot decode it."""
    torch = sys.modules.get("torch")
    if torch is None:  # Pillow decodes hundreds of photos while torch is imported.
        return None
    try:
        _load_jpeg_decoder()
        # torchvision 0.20 to 0.29. The public function calls this operator, but warns that a
        # later version of torchvision removes it. Mode 3 is RGB.
        operator = torch.ops.image.decode_jpeg
        return operator(torch.frombuffer(bytearray(data), dtype=torch.uint8), 3, False).numpy()
    except (AttributeError, OSError, RuntimeError):
        return None


def adagrad_step(optimizer, parameter, lr):
    """Take the step of a torch Adagrad optimizer of one parameter. `lr` may be a Tensor."""
    # torch 2.6 to 2.15 name the state "sum" and the option "eps". `Optimizer.step` cannot be
    # recorded as a CUDA graph.
    group, squares = optimizer.param_groups[0], optimizer.state[parameter]["sum"]
    squares.addcmul_(parameter.grad, parameter.grad)
    deviation = squares.sqrt().add_(group["eps"])
    parameter.addcdiv_(parameter.grad * lr, deviation, value=-1)
