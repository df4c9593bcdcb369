import pickle
import subprocess
import sys

import pytest

import skdevise
from skdevise import exceptions
from skdevise._utils import import_optional
from skdevise.exceptions import LabelWithoutVectorError, UnreadablePhotoError

HEAVY = {"torch", "torchvision", "gensim", "nltk", "matplotlib"}


def test_import_loads_nothing_heavy():
    code = "import sys, skdevise; dir(skdevise); print(*sys.modules)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = other.stdout.split()
    assert "skdevise" in modules
    assert not HEAVY & {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("name", skdevise.__all__)
def test_every_public_name_is_there(name):
    assert name in dir(skdevise)
    found = getattr(skdevise, name)
    # A class answers by its own name, a module by the end of its own.
    assert name == "__version__" or found.__name__.rpartition(".")[2] == name


@pytest.mark.parametrize(
    "module", ["datasets", "exceptions", "inspection", "labels", "language", "metrics",
               "model_selection", "models", "vision"],
)  # fmt: skip
def test_every_module_has_what_it_promises(module):
    module = getattr(skdevise, module)
    assert module.__all__ == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skdevise' has no attribute 'DeVise'"):
        skdevise.DeVise  # noqa: B018
    with pytest.raises(ImportError, match="DeVise"):
        from skdevise import DeVise  # noqa: F401


def test_an_optional_package_is_imported_where_it_is_installed():
    assert import_optional("os.path", extra="plot", purpose="Nothing").basename("a/b") == "b"


def test_a_missing_package_comes_with_the_way_to_install_it():
    with pytest.raises(ImportError) as raised:
        import_optional("no_such_package.part", extra="ann", purpose="Approximate search")
    assert str(raised.value) == (
        "Approximate search needs the package 'no_such_package', which is not installed: "
        "pip install 'skdevise[ann]'."
    )


@pytest.mark.parametrize(
    "error",
    [
        LabelWithoutVectorError(["gerenuk", "okapi"], n_asked=62),
        LabelWithoutVectorError(["gerenuk"], 1, what="terms"),
        UnreadablePhotoError("cat.jpg: not an image."),
    ],
)
def test_errors_pickle(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_error_can_be_caught_as_a_value_error():
    assert all(issubclass(getattr(exceptions, name), ValueError) for name in exceptions.__all__)


def test_what_has_no_vector_is_counted_and_named():
    one = LabelWithoutVectorError(["gerenuk"], n_asked=62)
    assert str(one).startswith("1 of 62 labels has no vector: 'gerenuk'. ")
    two = LabelWithoutVectorError(("gerenuk", 7), n_asked=62, what="terms")
    assert str(two).startswith("2 of 62 terms have no vector: 'gerenuk', '7'. ")
    assert two.missing == ["gerenuk", 7]


def test_what_has_no_vector_comes_with_advice():
    labels = str(LabelWithoutVectorError(["gerenuk"], n_asked=62))
    assert "LabelVocabulary(labels, terms)" in labels
    assert labels.endswith('LabelVocabulary(labels, on_missing="drop").')
    terms = str(LabelWithoutVectorError(["gerenuk"], n_asked=62, what="terms"))
    assert "has_vector" in terms
    assert "LabelVocabulary" not in terms
