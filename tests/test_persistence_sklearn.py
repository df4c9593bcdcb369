"""Files of `save` that hold estimators of scikit-learn."""

import io
import json
import pickle
import re
import sys
from zipfile import ZipFile

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    check_cv,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

from skdevise import ConSEClassifier, RandomEmbedder, RidgeProjectionClassifier, load, save
from skdevise._storage import write
from skdevise.exceptions import UntrustedError
from skdevise.metrics import HitAtK
from tests.test_persistence import forge

RNG = np.random.default_rng(0)
Y = np.repeat(["cat", "dog", "fox"], 20)
X = np.abs(RNG.normal(size=(60, 5))) + (Y == "dog")[:, None]

TREE = "sklearn.tree._tree.Tree"
KD_TREE = ["sklearn.metrics._dist_metrics.EuclideanDistance64", "sklearn.neighbors._kd_tree.KDTree"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def load_trusting(path):
    """Load a file, and trust what the errors name: the object, and the trusted names."""
    trusted = []
    while True:
        try:
            return load(path, trusted=trusted), trusted
        except UntrustedError as error:
            names = re.findall(r"'([\w.:]+)'", re.search(r"trusted=\[.*\]", str(error))[0])
            assert set(names) - set(trusted)
            trusted += names


def assert_answers_are_equal(loaded, estimator, X):
    for name in ("predict", "predict_proba", "decision_function", "transform"):
        if hasattr(estimator, name):
            answers = [getattr(e, name)(X) for e in (estimator, loaded)]
            assert_array_equal(*(a.toarray() if hasattr(a, "toarray") else a for a in answers))


@pytest.fixture
def without_skops(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)  # As if it were not installed.


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(
            SimpleImputer(),
            FunctionTransformer(np.log1p),
            SelectKBest(chi2, k=3),
            KBinsDiscretizer(2, encode="ordinal", quantile_method="averaged_inverted_cdf"),
            RidgeProjectionClassifier(),
        ),
        CalibratedClassifierCV(RidgeProjectionClassifier(), cv=2),
        MLPClassifier((4,), max_iter=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_common_estimators_need_neither_skops_nor_trust(path, estimator, without_skops):
    save(estimator.fit(X, Y), path)
    assert_answers_are_equal(load(path), estimator, X)


def test_without_skops_the_error_names_the_extra(path, without_skops):
    with pytest.raises(ImportError, match=r"Tree .*skdevise\[skops\]"):
        save(DecisionTreeClassifier().fit(X, Y), path)


@pytest.mark.parametrize(
    ("classifier", "trusted"),
    [
        (SGDClassifier(loss="log_loss"), []),
        (RandomForestClassifier(3), [TREE]),
        (KNeighborsClassifier(), KD_TREE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_trees_are_stored_by_skops_and_need_trust(path, classifier, trusted):
    pytest.importorskip("skops")
    clf = ConSEClassifier(classifier, RandomEmbedder(8)).fit(X, Y)
    loss = getattr(clf.classifier_, "_loss_function_", None)
    if type(loss).__module__ == "_loss":
        pytest.skip("Losses of scikit-learn 1.7 do not name their module.")
    save(clf, path)
    if trusted:
        with pytest.raises(UntrustedError, match=re.escape(trusted[0])):
            load(path)
    assert_answers_are_equal(load(path, trusted=trusted), clf, X)


def test_damaged_parts_are_refused(path):
    pytest.importorskip("skops")
    save(SGDClassifier().fit(X, Y), path)
    arrays = load_file(path)
    del arrays["description"]
    (part,) = (name for name, array in arrays.items() if array[:2].tobytes() == b"PK")
    forge(path, arrays=arrays | {part: np.arange(9, dtype=np.uint8)})
    with pytest.raises(ValueError, match="not a zip file"):
        load(path)


def forge_part(path, part):
    """Write a file that consists of a part that skops stored."""
    write(1, path)
    content = {"is": "skops", "id": 0, "of": "part"}
    arrays = {"part": np.frombuffer(part, np.uint8)}
    forge(path, lambda stored: stored.update(content=content), arrays)


def generator_at(bits, position):
    """Return a random generator whose next number is at a position of its state."""
    state = bits.state
    if "buffer_pos" in state:
        state["buffer_pos"] = position
    else:
        state["state"]["pos"] = position
    bits.state = state
    return np.random.Generator(bits)


@pytest.mark.parametrize(
    "make_part",
    [
        lambda: {"pipe": make_pipeline("passthrough", memory="folder")},
        lambda: [sparse.csr_matrix(np.eye(2))],
        lambda: generator_at(np.random.MT19937(0), 625),
        lambda: generator_at(np.random.MT19937(0), -1),
        lambda: generator_at(np.random.Philox(0), 5),
    ],
    ids=["folder", "sparse", "MT19937", "negative", "Philox"],
)
def test_parts_that_skops_does_not_check_are_refused(path, make_part):
    # A folder can hold pickles. Wrong indices and positions read foreign memory.
    skops = pytest.importorskip("skops.io")
    try:
        part = make_part()
    except ValueError as error:
        pytest.skip(f"NumPy refuses it: {error}.")  # from version 2.5 on
    forge_part(path, skops.dumps(part))
    with pytest.raises(ValueError, match="skops"):
        load(path)


def test_folders_behind_references_are_refused(path):
    # skops takes two objects with one id for one object.
    skops = pytest.importorskip("skops.io")
    folder = "folder"
    part = skops.dumps([folder, make_pipeline("passthrough", memory=folder)])
    with ZipFile(io.BytesIO(part)) as members:
        schema = json.loads(members.read("schema.json"))
    memory = schema["content"][1]["content"]["content"]["memory"]
    assert memory["__id__"] == schema["content"][0]["__id__"]
    memory["content"] = "null"
    changed = io.BytesIO()
    with ZipFile(changed, "w") as members:
        members.writestr("schema.json", json.dumps(schema))
    forge_part(path, changed.getvalue())
    with pytest.raises(ValueError, match="skops"):
        load(path)


def test_a_search_keeps_no_folder_of_the_machine(path, tmp_path, without_skops):
    pipe = make_pipeline(RidgeProjectionClassifier(), memory=str(tmp_path / "cache"))
    search = GridSearchCV(pipe, {"ridgeprojectionclassifier__alpha": [1]}, cv=2).fit(X, Y)
    save(search, path)
    loaded = load(path)
    assert loaded.score(X, Y) == search.score(X, Y)
    assert loaded.estimator.memory is loaded.best_estimator_.memory is None


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", {"hits": HitAtK(2)}])
def test_scorers_need_neither_skops_nor_trust(path, scoring, without_skops):
    refit = "hits" if isinstance(scoring, dict) else True
    search = GridSearchCV(RidgeProjectionClassifier(), {"alpha": [1]}, scoring=scoring, refit=refit)
    save(search.fit(X, Y), path)
    assert load(path).score(X, Y) == search.score(X, Y)


GROUPS = np.arange(len(Y)) % 3


@pytest.mark.parametrize(
    "splitter",
    [
        GroupKFold(3), GroupShuffleSplit(2, random_state=0), KFold(3), LeaveOneGroupOut(),
        LeaveOneOut(), PredefinedSplit(GROUPS), ShuffleSplit(2, random_state=0),
        StratifiedGroupKFold(2), StratifiedKFold(3, shuffle=True, random_state=0),
        StratifiedShuffleSplit(2, random_state=0), TimeSeriesSplit(3),
        check_cv([(np.arange(9), np.arange(9, 12))]),
    ],
    ids=lambda splitter: type(splitter).__name__,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_splitters_need_neither_skops_nor_trust(path, splitter, without_skops):
    save(splitter, path)
    splits = [cv.split(X, Y, GROUPS) for cv in (load(path), splitter)]
    for loaded, expected in zip(*splits, strict=True):
        assert_array_equal(loaded[0], expected[0])
        assert_array_equal(loaded[1], expected[1])


# Estimators whose fit needs other data than (X, Y).
SPECIAL = {
    "ClassifierChain": (X, np.column_stack([Y == "cat", Y == "dog"]).astype(int)),
    "CountVectorizer": ([" ".join(row) for row in np.tile(Y, (2, 1)).T],),
    "DictVectorizer": ([{"name": name} for name in Y],),
    "FeatureHasher": ([{"name": name} for name in Y],),
    "FixedThresholdClassifier": (X, Y == "cat"),
    "HashingVectorizer": (Y.tolist(),),
    "IsotonicRegression": (X[:, 0], np.arange(60.0)),
    "KernelCenterer": (X @ X.T,),
    "LabelBinarizer": (Y,),
    "LabelEncoder": (Y,),
    "MultiLabelBinarizer": ([("cat", "dog"), ("fox",)] * 30,),
    "MultiOutputClassifier": (X, np.column_stack([Y == "cat", Y == "dog"]).astype(int)),
    "PatchExtractor": (RNG.normal(size=(10, 20, 20)),),
    "SelfTrainingClassifier": (X, np.unique(Y, return_inverse=True)[1]),
    "SparseCoder": (RNG.normal(size=(60, 3)),),
    "TfidfVectorizer": ([" ".join(row) for row in np.tile(Y, (2, 1)).T],),
    "TunedThresholdClassifierCV": (X, Y == "cat"),
}  # fmt: skip
NUMBERS = ("CCA", "PLSCanonical", "PLSRegression", "PLSSVD", "SelectFromModel", "StackingRegressor",
           "VotingRegressor")  # fmt: skip
SPECIAL |= {name: (X, X[:, :2] if name.startswith("PLS") else X[:, 0]) for name in NUMBERS}
NOT_STORED = {"Birch"}
ESTIMATORS = [cls for kind in ("classifier", "transformer") for _, cls in all_estimators(kind)]


@pytest.mark.slow
@pytest.mark.parametrize("cls", dict.fromkeys(ESTIMATORS), ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore")
def test_every_classifier_and_transformer_answers_as_its_pickle_does(path, cls):
    pytest.importorskip("skops")
    estimator = next(iter(_construct_instances(cls)))
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)  # Some estimators draw numbers in `predict`.
    data = SPECIAL.get(cls.__name__, (X, Y))
    estimator.fit(*data)
    if cls.__name__ in NOT_STORED:
        with pytest.raises(TypeError, match=r"Birch\.root_ .*joblib"):
            save(estimator, path)
        return
    save(estimator, path)
    # An array that is a view becomes an array of its own, whose products may be rounded otherwise.
    reference = pickle.loads(pickle.dumps(estimator))
    loaded, trusted = load_trusting(path)
    assert_answers_are_equal(loaded, reference, data[0])
    assert all(re.fullmatch(r"(sklearn|scipy|numpy)[\w.:]+", name) for name in trusted)
