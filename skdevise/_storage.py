"""The file format of `skdevise.save`: JSON and arrays in one safetensors file, without pickle.

The arrays of an object graph become tensors. The rest becomes JSON, which is the tensor
"description", because the metadata of a safetensors file are limited to 100 MB. A value that JSON
lacks is an object with the key "is", for example {"is": "tuple", "of": [1, 2]}.
"""

import json
import os
import re
import sys
from importlib import import_module
from operator import attrgetter

import numpy as np
from safetensors import SafetensorError
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest

from skdevise import _PACKAGES
from skdevise._bounded import parsing
from skdevise._compat import SKLEARN_PARTS
from skdevise._special_objects import FOLDERS, SPECIAL, dump_by_skops, load_by_skops
from skdevise._tensors import as_stored, check_digests, digest, read_tensors, write_tensors
from skdevise._utils import warn
from skdevise.exceptions import UntrustedError

FORMAT = "skdevise 1"

# Classes that a file may contain, by their modules. A file holds only the name of a class, so that
# modules may move. Objects of these classes consist of their attributes.
_CLASSES = {
    "labels._search": "ExactSearch",
    "labels._space": "LabelSpace",
    "language": _PACKAGES["language"],
    "language._io": "Subwords",
    "metrics": "HierarchicalPrecisionAtK HitAtK",
    "model_selection": "UnseenClassSplit",
    "models": _PACKAGES["models"],
    "models._features": "ClassMeans FeatureScaler",
    "models._fitted_projection": "SecondTraining TunedEmbedder",
    "models._label_kernels": (
        "DefinitionKernel GlossKernel HierarchyKernel LabelFacts LabelKernel NameKernel "
        "SentenceKernel"
    ),
    "models._label_weights": "WeightRegression",
    "models._learned_labels": "LabelVectors",
    "models._nearest_class_mean": "AncestorMeans",
    "models._novelty_switch": "GaussianNovelty LocalOutlierNovelty",
    "vision": "OpenVINOFeaturizer VisualFeaturizer",
    "vision._crop": "CentreCrop PillowCrop",
    "vision._network": "FittedNetwork",
}
_MODULE_OF = {name: module for module, names in _CLASSES.items() for name in names.split()}

# Functions that any file may call, by module. They only compute, and so do the ufuncs of NumPy.
_FUNCTIONS = {
    "sklearn.feature_selection": r"chi2|f_\w+|mutual_info_\w+|r_regression",
    "sklearn.metrics": r"\w+_(error|loss|score)",
}

# gensim can only pickle its models. Open caches belong to a folder.
_LEFT_OUT = ("model_", "_caches")

# Private members of scikit-learn's packages begin with an underscore.
_SPARSE = ("csr_array", "csc_array", "coo_array", "csr_matrix", "csc_matrix", "coo_matrix")

# How to make a container from decoded items, and a value from its JSON.
_CONTAINERS = {"tuple": tuple, "set": set, "frozenset": frozenset}
_VALUES = {
    "float": float,
    "slice": lambda bounds: slice(*bounds),
    "type": lambda name: np.dtype(name).type,
    "dtype": np.dtype,
}


def write(value, path):
    """Write an object graph to a file, which is replaced at once or not at all."""
    encoder = _Encoder()
    content = encoder.encode(value, type(value).__name__)
    checks = {name: digest(array) for name, array in encoder.arrays.items()}
    text = json.dumps({"content": content, "checks": checks})
    description = np.frombuffer(text.encode(), dtype=np.uint8)
    metadata = {"format": FORMAT, "sha256": digest(description)}
    write_tensors(path, encoder.arrays | {"description": description}, metadata)


def write_checkpoint(state, path):
    """Write the state of a training. If the disk is full, warn and keep the last state."""
    try:
        write(state, path)
    except OSError as error:
        warn(
            f"The checkpoint {str(path)!r} cannot be written, but training goes on. {error}. Free "
            "disk space.",
        )


def read(path, mmap=False, trusted=()):
    """Read an object graph. Functions and indexes of faiss must be in `trusted`."""
    if isinstance(trusted, str):
        raise TypeError(f"trusted={trusted!r} is a string. Pass a list, as in [{trusted!r}].")
    path = os.fspath(path)
    with parsing(path, "Use another copy."):
        try:
            arrays, metadata = read_tensors(path, mmap)
        except SafetensorError as error:
            raise ValueError(
                f"The function skdevise.save did not write it, or it is damaged ({error})"
            ) from error
        if not metadata.get("format", "").startswith("skdevise"):
            raise ValueError("The function skdevise.save did not write it")
        if metadata["format"] != FORMAT:
            raise ValueError(f"Its format is {metadata['format']!r}, but we read {FORMAT!r}")
        description = arrays.pop("description")
        check_digests({"description": description}, {"description": metadata["sha256"]})
        stored = json.loads(description.tobytes())
        check_digests(arrays, stored["checks"])
        return _Decoder(arrays, trusted).decode(stored["content"])


class _Encoder:
    """Turns an object graph into JSON, and collects its arrays by name."""

    def __init__(self):
        self.arrays = {}
        self._known = {}  # id of an object: the object, to keep it alive, and its reference

    def encode(self, value, where):
        """Encode a value; `where` names it in errors."""
        if value is None or type(value) in (str, bool, int):
            return value
        if type(value) is np.str_:
            return str(value)
        if type(value) is float:
            return value if np.isfinite(value) else {"is": "float", "of": repr(value)}
        if type(value) is list:
            return [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        kind = type(value).__name__
        if type(value) in _CONTAINERS.values():
            items = [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return {"is": kind, "of": items}
        if type(value) is dict:
            pairs = [
                [self.encode(key, f"{where} key"), self.encode(item, f"{where}[{key!r}]")]
                for key, item in value.items()
            ]
            return {"is": "dict", "of": pairs}
        if type(value) is slice:
            return {"is": "slice", "of": [value.start, value.stop, value.step]}
        if id(value) in self._known:
            return self._known[id(value)][1]
        if isinstance(value, np.generic):
            return {"is": "scalar", "of": self._array(np.asarray(value)[None], where)}
        if isinstance(value, np.ndarray):
            node = self._encode_array(value, where)
            self._known[id(value)] = value, node
            return node
        if sparse.issparse(value):
            return self._encode_sparse(value, where)
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"is": "type", "of": np.dtype(value).str}
        if isinstance(value, np.dtype) and value.names is None:
            return {"is": "dtype", "of": value.str}
        if hasattr(value, "__qualname__") or isinstance(value, np.ufunc):
            return self._encode_function(value, where)
        return self._encode_object(value, where)

    def _array(self, array, where):
        """Store an array of numbers, and return its name."""
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(
                f"{where} has the type {array.dtype}, which cannot be stored. Use numbers or text."
            )
        name = f"array_{len(self.arrays)}"
        self.arrays[name] = as_stored(array)
        return name

    def _encode_array(self, array, where):
        if isinstance(array, np.ma.MaskedArray):
            parts = array.data, np.ma.getmaskarray(array)
            return {"is": "masked", "of": [self.encode(part, where) for part in parts]}
        if array.dtype.kind == "U":
            # Text is stored as its code points.
            width = array.dtype.itemsize // 4
            codes = np.ascontiguousarray(array).astype(f"<U{width}").view("<u4")
            codes = codes.reshape(*array.shape, width)
            return {"is": "text", "of": self._array(codes, where), "shape": list(array.shape)}
        if array.dtype.kind == "O":
            items = [self.encode(item, f"{where}[...]") for item in array.ravel().tolist()]
            return {"is": "cells", "of": items, "shape": list(array.shape)}
        array = np.asarray(array)
        # The order decides how products are rounded.
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return {"is": "transposed", "of": self._array(array.T, where)}
        is_writeable = array.flags.writeable
        return {"is": "array", "of": self._array(array, where), "writeable": is_writeable}

    def _encode_sparse(self, value, where):
        kind = type(value).__name__
        if kind not in _SPARSE:
            raise TypeError(f"{where} is a {kind}, which cannot be stored. Use csr_array.")
        names = ("row", "col", "data") if kind.startswith("coo") else ("indptr", "indices", "data")
        parts = [self._array(getattr(value, name), where) for name in names]
        return {"is": "sparse", "of": kind, "parts": parts, "shape": list(value.shape)}

    def _encode_function(self, value, where):
        is_ufunc = isinstance(value, np.ufunc)
        module = "numpy" if is_ufunc else getattr(value, "__module__", None)
        name = value.__name__ if is_ufunc else value.__qualname__
        try:
            stored = f"{_public_module(value, module, name)}:{name}"
            # The name of a bound method leads to a function without the object.
            is_found = module != "__main__" and _find_function(stored) == value
        except (AttributeError, ImportError):
            is_found = False
        if not is_found:
            raise TypeError(
                f"{where} is the function {name!r}, which cannot be stored. Define a function at "
                "the top level of a module that can be imported."
            )
        return {"is": "function", "of": stored}

    def _encode_object(self, value, where):
        node = {"is": "object", "id": len(self._known)}
        self._known[id(value)] = value, {"is": "same", "of": node["id"]}
        special = next((k for k, (is_one, _, _) in SPECIAL.items() if is_one(value)), None)
        if special is not None:
            state = SPECIAL[special][2](value)
            return node | {"is": "special", "of": special, "state": self.encode(state, where)}
        node["of"] = _class_name(type(value))
        if node["of"] is None:
            return node | {"is": "skops", "of": self._array(dump_by_skops(value, where), where)}
        state = value.__getstate__() or {}
        if isinstance(value, BaseEstimator):
            if node["of"] in _MODULE_OF:
                state = {k: v for k, v in state.items() if k not in _LEFT_OUT}
            state = _without_folders(state)
        if "_metadata_request" in state:
            state = state | {"_metadata_request": _requests(state["_metadata_request"])}
        node["state"] = [[k, self.encode(v, f"{where}.{k}")] for k, v in state.items()]
        return node


class _Decoder:
    """Turns JSON and arrays into an object graph."""

    def __init__(self, arrays, trusted):
        self._arrays = arrays
        self._trusted = trusted
        self._made = {}  # objects by their id in the file

    def decode(self, node):
        """Decode a value."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node["is"] in _CONTAINERS:
            return _CONTAINERS[node["is"]](map(self.decode, node["of"]))
        if node["is"] in _VALUES:
            return _VALUES[node["is"]](node["of"])
        return getattr(self, f"read_{node['is']}")(node)

    def read_dict(self, node):
        return {self.decode(key): self.decode(item) for key, item in node["of"]}

    def read_scalar(self, node):
        return self._arrays[node["of"]][0]

    def read_array(self, node):
        array = self._arrays[node["of"]]
        array.flags.writeable = array.flags.writeable and node["writeable"]
        return array

    def read_transposed(self, node):
        return self._arrays[node["of"]].T

    def read_text(self, node):
        codes = self._arrays[node["of"]]
        if codes.dtype.kind != "U":
            if (codes > sys.maxunicode).any():
                raise ValueError(f"Its array {node['of']!r} is not text")
            text = np.array(codes).view(f"<U{codes.shape[-1]}").reshape(node["shape"])
            self._arrays[node["of"]] = text  # An array that occurs twice is one array.
        return self._arrays[node["of"]]

    def read_cells(self, node):
        array = np.empty(len(node["of"]), dtype=object)
        array[:] = self.decode(node["of"])
        return array.reshape(node["shape"])

    def read_masked(self, node):
        return np.ma.MaskedArray(*map(self.decode, node["of"]))

    def read_sparse(self, node):
        if node["of"] not in _SPARSE:
            raise ValueError(f"Its class {node['of']!r} is unknown")
        *index, data = (np.array(self._arrays[name]) for name in node["parts"])
        parts = (data, tuple(index)) if node["of"].startswith("coo") else (data, *index[::-1])
        array = getattr(sparse, node["of"])(parts, shape=tuple(node["shape"]))
        if array.format != "coo":  # scipy only checks indices of coo, and wrong ones crash.
            array.check_format(full_check=True)
        return array

    def read_function(self, node):
        module, name = node["of"].split(":")
        is_ufunc = module == "numpy" and isinstance(getattr(np, name, None), np.ufunc)
        is_known = module in _FUNCTIONS and re.fullmatch(_FUNCTIONS[module], name)
        if not (is_ufunc or is_known) and node["of"] not in self._trusted:
            raise UntrustedError(
                f"The file calls the function {node['of']!r}. If you trust it, pass "
                f"trusted=[{node['of']!r}]."
            )
        return _find_function(node["of"])

    def read_same(self, node):
        return self._made[node["of"]]

    def read_special(self, node):
        arguments = [self.decode(node["state"])]
        if node["of"] == "faiss":
            arguments.append(self._trusted)
        value = self._made[node["id"]] = SPECIAL[node["of"]][1](*arguments)
        return value

    def read_skops(self, node):
        value = load_by_skops(self._arrays[node["of"]], self._trusted)
        self._made[node["id"]] = value
        return value

    def read_object(self, node):
        cls = _find_class(node["of"])
        # An object can contain itself, so it exists before its attributes.
        value = self._made[node["id"]] = cls.__new__(cls)
        state = {name: self.decode(item) for name, item in node["state"]}
        if isinstance(value, BaseEstimator):
            state = _without_folders(state)
        if "_metadata_request" in state:
            state["_metadata_request"] = _metadata_request(value, state["_metadata_request"])
        if hasattr(value, "__setstate__"):
            value.__setstate__(state)
        else:
            vars(value).update(state)
        return value


def _without_folders(state):
    """Replace the folders among the attributes of an estimator by None."""
    return {name: None if name in FOLDERS else value for name, value in state.items()}


def _class_name(cls):
    """Return the name of a class in files, or None if its objects cannot be stored."""
    module, name = cls.__module__, cls.__name__
    if (name in _MODULE_OF and module.startswith("skdevise.")) or SKLEARN_PARTS.get(name) == module:
        return name
    public = _public_module(cls, module, name)
    is_estimator = module.startswith("sklearn.") and issubclass(cls, BaseEstimator)
    return f"{public}:{name}" if is_estimator and _is_public(public, name) else None


def _find_function(name):
    """Return the function, method or class "module:name"."""
    module, name = name.split(":")
    return attrgetter(name)(import_module(module))


def _public_module(value, module, name):
    """Return the public module that offers a class or a function, or else its own module."""
    public = module.split("._")[0]
    return public if getattr(import_module(public), name, None) is value else module


def _is_public(module, name):
    """Return whether neither a module nor a name in it is private."""
    return "._" not in f"{module}.{name}"


def _find_class(name):
    """Return the class that has a name in files."""
    if name in _MODULE_OF:
        return getattr(import_module(f"skdevise.{_MODULE_OF[name]}"), name)
    if name in SKLEARN_PARTS:
        return getattr(import_module(SKLEARN_PARTS[name]), name)
    module, _, name = name.partition(":")
    if module.split(".")[0] == "sklearn" and _is_public(module, name):
        cls = getattr(import_module(module), name)
        if isinstance(cls, type) and issubclass(cls, BaseEstimator):
            return cls
    raise ValueError(f"Its class {module}:{name} is unknown")


def _metadata_request(owner, requests):
    """Make the metadata requests of an estimator from {method: {name: alias}}."""
    made = MetadataRequest(owner=type(owner).__name__)
    for method, aliases in requests.items():
        for name, alias in aliases.items():
            getattr(made, method).add_request(param=name, alias=alias)
    return made


def _requests(request):
    """Turn metadata requests into {method: {name: alias}}."""
    methods = {name: getattr(request, name, None) for name in vars(request)}
    return {name: of.requests for name, of in methods.items() if hasattr(of, "requests")}
