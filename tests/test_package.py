import ast
import importlib
import inspect
import pickle
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import sklearn

import skdevise
from skdevise import exceptions
from skdevise._compat import StrOptions
from skdevise._utils import import_optional
from skdevise.exceptions import LabelWithoutVectorError, UnreadablePhotoError

MODULES = [
    "datasets", "exceptions", "inspection", "labels", "language", "metrics", "model_selection",
    "models", "vision",
]  # fmt: skip

# Each package may import those before it. Words and photos only meet in `labels` and `models`.
ROOMS = [
    "training", "language", "vision", "labels", "models", "metrics", "model_selection",
    "inspection", "datasets",
]  # fmt: skip


@cache
def imported_names():
    """List the path of each file of the package with each full name that it imports."""
    folder, found = Path(skdevise.__file__).parent, []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += ((path.relative_to(folder), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                found += ((path.relative_to(folder), name) for name in names)
    return found


def test_packages_only_import_packages_below_them():
    wrong = []
    for path, name in imported_names():
        own, other = path.parts[0], name.split(".")[1:2]
        if name.startswith("skdevise.") and own in ROOMS and other[0] in ROOMS:
            is_below = ROOMS.index(other[0]) <= ROOMS.index(own)
            if not is_below or (own, other[0]) == ("vision", "language"):
                wrong.append((str(path), name))
    assert not wrong


def test_private_names_of_other_projects_are_only_imported_in_one_module():
    private = {
        str(path)
        for path, name in imported_names()
        if not name.startswith("skdevise") and any(p.startswith("_") for p in name.split("."))
    }
    assert private == {"_compat.py"}


@pytest.mark.parametrize("name", skdevise.__all__)
def test_every_public_name_can_be_imported(name):
    assert name in dir(skdevise)
    found = getattr(skdevise, name)
    assert name == "__version__" or found.__name__.rpartition(".")[2] == name


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_public_module_is_documented(module):
    module = getattr(skdevise, module)
    assert module.__all__ == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__doc__


def test_every_estimator_can_be_imported_from_the_package():
    for module in ("language", "vision", "models"):
        module = getattr(skdevise, module)
        for name in module.__all__:
            if hasattr(getattr(module, name), "fit"):
                assert getattr(skdevise, name) is getattr(module, name)


def test_type_checkers_see_the_names_that_are_loaded_on_first_use():
    tree = ast.parse(Path(skdevise.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and n.test.id == "TYPE_CHECKING")
    seen = {node.module.rpartition(".")[2] for node in block.body}
    for node in block.body:
        module = importlib.import_module(node.module)
        names = [alias.name for alias in node.names]
        seen.update(module.__all__ if names == ["*"] else names)
        assert names == ["*"] or all(hasattr(module, name) for name in names)
    assert seen >= set(skdevise.__all__) - {"__version__"}


def public_classes_and_functions():
    """Yield each public object with its name, except losses, which users do not call."""
    for module in MODULES:
        module = getattr(skdevise, module)
        yield from ((name, getattr(module, name)) for name in module.__all__)
    yield from ((name, getattr(skdevise, name)) for name in ("load", "save", "show_versions"))


def public_signatures():
    """Yield the name and the signature of each public function and method that we define."""
    for name, item in public_classes_and_functions():
        owners = item.__mro__ if inspect.isclass(item) else ()
        members = [m for cls in owners if "skdevise" in cls.__module__ for m in vars(cls).items()]
        for member, value in members or [(name, item)]:
            value = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
            value = getattr(value, "func", value)  # cached_property
            if inspect.isfunction(value) and (member == "__init__" or member[0] != "_"):
                yield f"{name}.{member}", inspect.signature(value)


def test_public_functions_have_types():
    untyped = [
        (name, parameter.name)
        for name, signature in public_signatures()
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty and parameter.name not in ("self", "cls")
    ]
    unanswered = [n for n, s in public_signatures() if s.return_annotation is s.empty]
    assert not untyped
    assert not unanswered


def literals(annotation):
    """Return the texts that an annotation allows."""
    found = {text for text in get_args(annotation) if isinstance(text, str)}
    return found.union(*(literals(part) for part in get_args(annotation)))


def test_types_and_constraints_of_estimators_allow_the_same_options():
    compared = 0
    for name, item in public_classes_and_functions():
        for parameter, constraints in getattr(item, "_parameter_constraints", {}).items():
            options = [c.options for c in constraints if isinstance(c, StrOptions)]
            if options:
                annotation = inspect.signature(item).parameters[parameter].annotation
                assert literals(annotation) == set().union(*options), f"{name}: {parameter}"
                compared += 1
    assert compared > 40


def test_an_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="DeVise"):
        skdevise.DeVise  # noqa: B018
    with pytest.raises(ImportError, match="DeVise"):
        from skdevise import DeVise  # noqa: F401


def test_show_versions_names_versions_and_devices(capsys):
    skdevise.show_versions()
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert f"skdevise: {skdevise.__version__}" in lines
    assert f"scikit-learn: {sklearn.__version__}" in lines
    assert any(line.startswith("python: 3.") for line in lines)
    assert any(line.startswith("cpu: ") for line in lines)


def test_an_installed_optional_package_is_imported():
    assert import_optional("os.path", extra="plot", purpose="Nothing").basename("a/b") == "b"


def test_the_error_of_a_missing_package_names_the_extra():
    with pytest.raises(ImportError, match=r"no_such_package.*skdevise\[ann\]"):
        import_optional("no_such_package.part", extra="ann", purpose="Approximate search")


@pytest.mark.parametrize(
    "error",
    [
        LabelWithoutVectorError(["gerenuk", "okapi"], n_asked=62),
        LabelWithoutVectorError(["gerenuk"], 1, what="terms"),
        UnreadablePhotoError("cat.jpg: not an image."),
    ],
)
def test_errors_can_be_pickled(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_error_is_a_value_error():
    assert all(issubclass(getattr(exceptions, name), ValueError) for name in exceptions.__all__)


@pytest.mark.parametrize("what", ["labels", "candidates", "training labels", "terms"])
def test_the_error_of_missing_vectors_counts_and_names_them(what):
    error = LabelWithoutVectorError(("gerenuk", 7), n_asked=62, what=what)
    assert error.missing == ["gerenuk", 7]
    for value in ("2 of 62", what, "'gerenuk'", "'7'"):
        assert value in str(error)


def test_the_error_of_missing_vectors_says_what_ids_mean_and_stays_short():
    error = LabelWithoutVectorError(["n02084071", "n99999999"], n_asked=3)
    assert "'n02084071' (dog)" in str(error) and "'n99999999'." in str(error)
    many = LabelWithoutVectorError(list(map(str, range(21_841))), n_asked=21_841)
    assert "'99' and 21,741 more" in str(many) and len(many.missing) == 21_841
    assert "empty" in str(LabelWithoutVectorError([""], n_asked=2))
