"""The API reference lists every public name, and each public docstring has numpydoc's form."""

import importlib.util
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import skdevise

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ["skdevise", *(f"skdevise.{name}" for name in skdevise._MODULES)]

# numpydoc's checks that we leave out, with the reason. All others must pass.
LEFT_OUT = {
    "ES01": "A summary that says everything needs no second paragraph.",
    "EX01": "Classes and functions have an example. Methods share that of their class.",
    "PR04": "Parameters that several functions share are described once: 'See `fetch_cifar100`.'",
    "RT02": "As in scikit-learn, `fit` returns 'self : NameOfTheClass'.",
    "RT03": "If the summary says what is returned, the type is enough.",
    "SA01": "Not every name has a relative.",
}

# `to_openvino` makes the featurizer, and has the example. `fetch_cifar100` has that of the others,
# which refer to it: examples of downloads do not run.
WITHOUT_EXAMPLE = {"OpenVINOFeaturizer"} | {
    f"fetch_{name}" for name in ("caltech101", "cifar10", "flowers102", "food101", "pets")
}


def reference():
    """Read the table of the API reference: a list of (module, name)."""
    spec = importlib.util.spec_from_file_location("api_reference", DOCS / "api_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = [f"{section[1]}.{name}" for section in module.SECTIONS for name in section[3]]
    return [(package, name) for package, _, name in (full.rpartition(".") for full in names)]


def public_names():
    """List the classes and functions of all packages: a list of (module, name)."""
    found = []
    for package in PACKAGES:
        module = import_module(package)
        names = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
        found += [(package, name) for name in names if callable(getattr(module, name))]
    return found


def is_ours(member):
    return str(getattr(member, "__module__", "")).startswith("skdevise")


def documented_names():
    """List the full names of the reference, and of the methods and properties that we wrote."""
    for package, name in reference():
        yield f"{package}.{name}"
        documented = getattr(import_module(package), name)
        for member in dir(documented) if inspect.isclass(documented) else ():
            value = inspect.getattr_static(documented, member)
            function = value.fget if isinstance(value, property) else getattr(documented, member)
            if member[0] != "_" and callable(function) and is_ours(inspect.unwrap(function)):
                yield f"{package}.{name}.{member}"


def test_the_reference_lists_every_public_name():
    listed = {getattr(import_module(package), name) for package, name in reference()}
    missing = [
        f"{package}.{name}"
        for package, name in public_names()
        if is_ours(value := getattr(import_module(package), name)) and value not in listed
    ]
    assert missing == []


@pytest.mark.slow
def test_public_docstrings_are_numpydoc():
    validate = pytest.importorskip("numpydoc.validate").validate
    names = list(documented_names())
    assert len(names) > 200
    errors = [
        f"{name}: {code} {message}"
        for name in names
        for code, message in validate(name)["errors"]
        if code not in LEFT_OUT
    ]
    assert errors == []


@pytest.mark.slow
def test_classes_and_functions_have_an_example():
    missing = {
        name
        for package, name in reference()
        if ">>>" not in (inspect.getdoc(getattr(import_module(package), name)) or "")
    }
    assert missing == WITHOUT_EXAMPLE
