import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn

import skdevise
from skdevise import exceptions
from skdevise._utils import import_optional
from skdevise.exceptions import LabelWithoutVectorError, UnreadablePhotoError

HEAVY = {"torch", "torchvision", "gensim", "nltk", "skorch", "matplotlib"}
MODULES = [
    "datasets", "exceptions", "inspection", "labels", "language", "metrics", "model_selection",
    "models", "vision",
]  # fmt: skip

# Each package may import those before it. Words and photos only meet in `labels` and `models`.
ROOMS = [
    "training", "language", "vision", "labels", "models", "metrics", "model_selection",
    "inspection", "datasets",
]  # fmt: skip


def imported_names():
    """Yield the path of each file of the package, and the full names that it imports."""
    folder = Path(skdevise.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path.relative_to(folder), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from ((path.relative_to(folder), name) for name in names)


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


def test_import_loads_no_heavy_package():
    code = "import sys, skdevise; dir(skdevise); print(*sys.modules)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = other.stdout.split()
    assert "skdevise" in modules
    assert not HEAVY & {module.partition(".")[0] for module in modules}


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
