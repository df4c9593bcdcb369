"""Save fitted estimators, and load them without pickle."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, clone

from skdevise import __version__, _storage
from skdevise._special_objects import FOLDERS
from skdevise._typing import PathLike
from skdevise._utils import atomic_write

__all__ = ["load", "save"]

# A model card says "Not stated." if one of these facts is missing.
_FACTS = dict.fromkeys(("data", "metrics", "licence"))
_N_LABELS = 10


def save(estimator: object, path: PathLike, *, card: Mapping[str, Any] | None = None) -> None:
    """Save an estimator or another object of skdevise to a file.

    The file is in the format safetensors: arrays, and a description in JSON. It holds no code, so
    `load` is safe for files of strangers. Predictions are the same after loading, to the last bit.

    Parameters
    ----------
    estimator : object
        Any estimator of skdevise or scikit-learn, such as a ``Pipeline``, a `LabelVocabulary`,
        `LabelSpace` or `Hierarchy`, or a scorer. Trees, forests and nearest neighbours need the
        extra ``skops``.
    path : str or Path
        File to write. A file that exists is replaced in one step, so no reader finds half of it.
        Processes that loaded it with `mmap=True` keep the old content.
    card : dict, default=None
        Facts for a model card, such as ``{"data": "our photos", "metrics": {"hit@1": 0.7},
        "licence": "CC BY 4.0"}``. A value is a text or a dict, which becomes a table. The card also
        names the training labels, the parameters and the versions. It is a file in Markdown beside
        `path`, whose name ends with ".md". Write one if you share the model. None writes no card.

    Raises
    ------
    ImportError
        If a part needs skops, which is not installed.
    OSError
        If the file cannot be written, for example because the disk is full. The old file stays.
    TypeError
        If a part of the estimator cannot be saved: the message names the part. It is also raised
        if `card` is not a dict.

    See Also
    --------
    load : Read the file.

    Notes
    -----
    The parameters `cache`, `checkpoint` and ``memory`` are not saved, because their folders belong
    to the machine. Functions, such as a `projection` of your own, are saved by their names. Methods
    of an object, such as ``model.encode``, cannot be saved. `SkipGramEmbedder` keeps its vectors
    but not its gensim model, so `partial_fit` cannot continue.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skdevise import RidgeProjectionClassifier, load, save
    >>> clf = RidgeProjectionClassifier().fit([[0, 1], [3, 0]], ["cat", "truck"])
    >>> with TemporaryDirectory() as folder:
    ...     save(clf, Path(folder, "model.safetensors"))
    ...     again = load(Path(folder, "model.safetensors"))
    ...
    >>> again.predict([[0, 2]])
    array(['cat'], dtype='<U5')
    """
    path = Path(path)
    text = None if card is None else _describe(estimator, path.name, card)
    _storage.write(estimator, path)
    if text is not None:
        with atomic_write(path.with_name(f"{path.name}.md")) as unfinished:
            unfinished.write_text(text, encoding="utf-8")


def load(path: PathLike, *, mmap: bool = False, trusted: Sequence[str] = ()) -> Any:
    """Load an object that `save` wrote.

    Parameters
    ----------
    path : str or Path
        File to read.
    mmap : bool, default=False
        Map the arrays into memory instead of reading them. Processes that load the same file then
        share one copy. Mapped arrays cannot be changed.
    trusted : sequence of str, default=()
        Functions that the object may use, such as "my_module:my_projection". "faiss" reads an index
        of faiss instead of building it again. Parts that scikit-learn does not check, such as
        "sklearn.tree._tree.Tree", must also be listed. Only do so for files that you trust.

    Returns
    -------
    object
        The object.

    Raises
    ------
    OSError
        If the file cannot be read.
    UntrustedError
        If the object uses a function, or a part that scikit-learn does not check, that is not in
        `trusted`. The message says what to pass.
    ValueError
        If the file is damaged, is not a file of `save`, or needs a newer version of skdevise. The
        message also says if the file needs skops.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import skdevise
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "embedder.safetensors"
    ...     skdevise.save(skdevise.PretrainedEmbedder({"cat": [1, 0], "truck": [0, 1]}), path)
    ...     skdevise.load(path).transform(["truck"])
    array([[0., 1.]], dtype=float32)
    """
    return _storage.read(path, mmap, trusted)


def _describe(estimator, file_name, facts):
    """Describe an estimator with the facts of its author, {title: text or mapping}: str."""
    if not isinstance(facts, Mapping):
        raise TypeError(f"card={facts!r:.200} is not a dict. Pass one, as in {{'data': '...'}}.")
    sections = [(title, facts.get(title, "Not stated.")) for title in {**_FACTS, **facts}]
    labels = getattr(estimator, "classes_", None)
    if labels is not None:
        shown = ", ".join(map(str, labels[:_N_LABELS]))
        more = ", ..." if len(labels) > _N_LABELS else ""
        sections.append(("training labels", f"{len(labels)} labels: {shown}{more}"))
    versions = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    versions = {"skdevise": __version__, "python": platform.python_version(), **versions}
    sections += [("parameters", _code(_parameters(estimator))), ("versions", versions)]
    loading = _code(f'import skdevise\n\nclf = skdevise.load("{file_name}")')
    parts = [f"# {type(estimator).__name__}", loading]
    for title, content in sections:
        if isinstance(content, Mapping):
            rows = [f"| {key} | {value} |" for key, value in content.items()]
            content = "\n".join(["| | |", "|---|---|", *rows])
        parts += [f"## {title.capitalize()}", str(content)]
    return "\n\n".join(parts) + "\n"


def _parameters(estimator):
    """Show the parameters of an estimator, without the folders of this machine: str."""
    if not isinstance(estimator, BaseEstimator):
        return repr(estimator)
    names = [name for name in estimator.get_params() if name.split("__")[-1] in FOLDERS]
    return repr(clone(estimator).set_params(**dict.fromkeys(names)))


def _code(text):
    return f"```python\n{text}\n```"
