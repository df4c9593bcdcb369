"""States of objects that do not consist of their attributes, for files of `skdevise.save`."""

import io
import json
import os
from enum import Enum
from importlib import import_module
from zipfile import ZipFile

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdevise._utils import import_optional
from skdevise.exceptions import UntrustedError

# Folders belong to the machine. A file of a stranger must not choose folders that hold pickles.
FOLDERS = ("cache", "checkpoint", "memory")
# Largest positions in the states of random generators. NumPy and skops do not check them, and wrong
# ones read foreign memory.
_POSITIONS = {"pos": 624, "buffer_pos": 4}


def _table_state(table):
    columns = [table.iloc[:, i].to_numpy() for i in range(table.shape[1])]
    return table.columns.tolist(), columns, table.index.tolist(), list(table.index.names)


def _make_table(state):
    names, columns, index, index_names = state
    if len(index_names) > 1:
        index = pd.MultiIndex.from_tuples(index, names=index_names)
    else:
        index = pd.Index(index, name=index_names[0])
    table = pd.DataFrame(dict(enumerate(columns)), index=index)
    return table.set_axis(names, axis=1)


def _make_random_state(state):
    position, last = state["state"]["pos"], _POSITIONS["pos"]
    if not 0 <= position <= len(state["state"]["key"]) == last:
        raise ValueError("The position of a random generator is out of range")
    made = np.random.RandomState()
    made.set_state(state)
    return made


def _hierarchy_state(hierarchy):
    if hierarchy._variant is not None:
        return hierarchy._variant
    edges, *tables = hierarchy._tables
    return [hierarchy.labels, edges, *(None if t is None else list(t) for t in tables)]


def _make_hierarchy(state):
    from skdevise.labels import Hierarchy

    return Hierarchy.wordnet(state) if isinstance(state, str) else Hierarchy(*state)


def _vocabulary_state(vocabulary):
    make, (labels, terms) = vocabulary.__reduce__()
    return labels, terms, make.keywords


def _make_vocabulary(state):
    from skdevise.labels import LabelVocabulary

    labels, terms, options = state
    return LabelVocabulary(labels, terms, **options)


def _make_term_table(state):
    from skdevise.language._io import TermTable

    return TermTable(*state)


def _tensor_state(tensor):
    import torch

    # Optimizers compare weights with their states in the order of memory.
    order = np.argsort([-stride for stride in tensor.stride()], kind="stable").tolist()
    tensor = tensor.detach().cpu().permute(order)
    is_bfloat16 = tensor.dtype == torch.bfloat16  # NumPy has no bfloat16.
    array = (tensor.view(torch.int16) if is_bfloat16 else tensor).numpy()
    return array, np.argsort(order).tolist(), is_bfloat16


def _make_tensor(state):
    import torch

    array, order, is_bfloat16 = state
    tensor = torch.from_numpy(np.require(array, requirements="W"))
    return (tensor.view(torch.bfloat16) if is_bfloat16 else tensor).permute(order)


def _make_tree(vectors):
    from skdevise.labels._search import TreeSearch

    return TreeSearch(vectors)


def _make_faiss(state, trusted):
    from skdevise.labels._search import FaissSearch

    if "faiss" not in trusted:  # faiss does not check what it reads.
        return FaissSearch(state["vectors"], state["method"])
    index = FaissSearch.__new__(FaissSearch)
    index.__setstate__(state)
    return index


def dump_by_skops(value, where):
    """Store a part of an estimator of scikit-learn, such as a tree or a loss: uint8 (n,)."""
    kind, reason = type(value).__name__, "its class is unknown"
    if type(value).__module__.partition(".")[0] in ("numpy", "scipy", "sklearn"):
        skops = _skops_io(f"Saving a {kind}")
        try:
            data = skops.dumps(value)
            _check_skops(data)
            return np.frombuffer(data, np.uint8)
        except Exception as error:  # skops raises many types of errors.
            reason = str(error)
    subject = kind if where == kind else f"{where} is a {kind}, which"
    raise TypeError(
        f"{subject} cannot be stored without pickle ({reason}). Store the estimator with "
        "joblib.dump."
    )


def load_by_skops(array, trusted):
    """Load what `dump_by_skops` stored. Types that skops does not trust must be in `trusted`."""
    skops = _skops_io("This model")
    data = array.tobytes()
    _check_skops(data)
    unknown = [name for name in skops.get_untrusted_types(data=data) if name not in trusted]
    if not unknown:
        value = skops.loads(data, trusted=list(trusted))
        # A file can hide a folder behind a reference. What skops itself writes hides nothing.
        _check_skops(skops.dumps(value))
        return value
    raise UntrustedError(
        f"The file holds parts that scikit-learn does not check: {', '.join(unknown)}. If you "
        f"trust the file, pass trusted={unknown}."
    )


def _check_skops(data):
    """Raise ValueError if a part that skops stored expands, or holds what skops does not check."""
    with ZipFile(io.BytesIO(data)) as members:
        if sum(member.file_size for member in members.infolist()) > len(data):
            raise ValueError("A part that skops stored is larger than its file.")
        json.loads(members.read("schema.json"), object_hook=_check_skops_node)


def _check_skops_node(node):
    """Return an object of the JSON of skops, or raise ValueError."""
    if node.get("__loader__") == "SparseMatrixNode":
        # Wrong indices write to foreign memory, and compressed arrays expand without a bound.
        raise ValueError("skops does not check sparse arrays")
    for name in FOLDERS:
        if name in node and node[name]["content"] != "null":
            raise ValueError(f"A part that skops stored has a folder in {name!r}")
    for name, last in _POSITIONS.items():
        if name in node and not 0 <= int(node[name]["content"]) <= last:
            raise ValueError("skops does not check the position of a random generator")
    return node


def _skops_io(purpose):
    """Import the module of skops that stores objects."""
    import_optional("skops", extra="skops", purpose=purpose)
    return import_module("skops.io")


def _is(name, module):
    """Return a test whether a value has a class of this name, in a package."""
    return lambda value: type(value).__name__ == name and type(value).__module__.startswith(module)


# A test for the class, the function that makes an object from its state, and the state.
SPECIAL = {
    "table": (_is("DataFrame", "pandas"), _make_table, _table_state),
    "random state": (
        _is("RandomState", "numpy"),
        _make_random_state,
        lambda value: value.get_state(legacy=False),
    ),
    "hierarchy": (_is("Hierarchy", "skdevise"), _make_hierarchy, _hierarchy_state),
    "vocabulary": (_is("LabelVocabulary", "skdevise"), _make_vocabulary, _vocabulary_state),
    "tensor": (_is("Tensor", "torch"), _make_tensor, _tensor_state),
    "term table": (
        _is("TermTable", "skdevise"),
        _make_term_table,
        lambda value: (tuple(value.terms), value.matrix, value.subwords),
    ),
    "tree": (_is("TreeSearch", "skdevise"), _make_tree, lambda value: value.vectors),
    "faiss": (_is("FaissSearch", "skdevise"), _make_faiss, lambda value: value.__getstate__()),
    "bunch": (_is("Bunch", "sklearn"), lambda state: Bunch(**state), dict),
    "path": (lambda value: isinstance(value, os.PathLike), str, os.fspath),
    "enum": (lambda value: isinstance(value, Enum), str, str),
}
