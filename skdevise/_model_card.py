"""The model card of a saved estimator: a page in Markdown."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

from sklearn.base import BaseEstimator, clone

from skdevise import __version__
from skdevise._special_objects import FOLDERS

# A card says "Not stated." if one of these facts is missing.
_FACTS = ("data", "metrics", "licence")
_N_LABELS = 10


def describe(estimator, file_name, facts):
    """Describe an estimator with the facts of its author, {title: text or mapping}: str."""
    if not isinstance(facts, Mapping):
        raise TypeError(f"card={facts!r:.200} is not a dict. Pass one, as in {{'data': '...'}}.")
    lines = [f"# {type(estimator).__name__}", ""]
    lines += _code(f'import skdevise\n\nclf = skdevise.load("{file_name}")')
    for title in dict.fromkeys((*_FACTS, *facts)):
        lines += _section(title, facts.get(title, "Not stated."))
    labels = getattr(estimator, "classes_", None)
    if labels is not None:
        shown = ", ".join(map(str, labels[:_N_LABELS]))
        more = ", ..." if len(labels) > _N_LABELS else ""
        lines += _section("training labels", f"{len(labels)} labels: {shown}{more}")
    lines += ["## Parameters", "", *_code(_parameters(estimator))]
    versions = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    versions = {"skdevise": __version__, "python": platform.python_version(), **versions}
    return "\n".join([*lines, *_section("versions", versions)])


def _parameters(estimator):
    """Show the parameters of an estimator, without the folders of this machine: str."""
    if not isinstance(estimator, BaseEstimator):
        return repr(estimator)
    names = [name for name in estimator.get_params() if name.split("__")[-1] in FOLDERS]
    return repr(clone(estimator).set_params(**dict.fromkeys(names)))


def _code(text):
    return ["```python", text, "```", ""]


def _section(title, content):
    """Write a section with a text, or with a table of a mapping: list of lines."""
    if isinstance(content, Mapping):
        rows = [f"| {key} | {value} |" for key, value in content.items()]
        content = "\n".join(["| | |", "|---|---|", *rows])
    return [f"## {title.capitalize()}", "", str(content), ""]
