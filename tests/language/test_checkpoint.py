import subprocess
import sys

import numpy as np
import pytest

from skdevise import SkipGramEmbedder
from skdevise.language._checkpoint import TrainingFile


def embedder(folder, **params):
    return SkipGramEmbedder(vector_size=2, min_count=1, random_state=0, checkpoint=folder, **params)


def test_a_file_that_breaks_off_leaves_the_one_of_before(tmp_path):
    file = TrainingFile(tmp_path / "new", "key")
    assert file.load(["a"]) is None
    file.save({"a": np.arange(3)})

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        file.save({"a": Broken()})
    assert file.load(["a"])["a"].tolist() == [0, 1, 2]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["key.npz"]


def test_a_broken_file_is_named(tmp_path):
    embedder(tmp_path).fit(["a b"])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{path.name}' cannot be read: delete it"):
        embedder(tmp_path).fit(["a b"])


def test_a_file_that_holds_no_state_is_named(tmp_path):
    embedder(tmp_path).fit(["a b"])
    (path,) = tmp_path.iterdir()
    np.savez(path, loss_curve=[0.5])
    with pytest.raises(ValueError, match=f"{path.name}' cannot be read: delete it"):
        embedder(tmp_path).fit(["a b"])


def test_each_training_has_a_file_of_its_own(tmp_path):
    embedder(tmp_path).fit(["a b"])
    for params in ({"window": 3}, {"negative": 2}, {"alpha": 0.1}, {"epochs": 2}):
        embedder(tmp_path, **params).fit(["a b"])
    embedder(tmp_path).fit(["a c"])
    embedder(tmp_path).set_params(random_state=1).fit(["a b"])
    assert len(list(tmp_path.iterdir())) == 7
    # What leaves the training as it is: how the tokens came to be, and how they are shown.
    embedder(tmp_path, workers=1, tokenizer=str.split).fit(("a b",))
    assert len(list(tmp_path.iterdir())) == 7


def test_a_folder_that_cannot_be_used_is_refused_before_the_text_is_read(tmp_path):
    (tmp_path / "file").write_text("")

    def text():
        raise AssertionError("it is read")
        yield

    with pytest.raises(ValueError, match="is no folder that can be used"):
        embedder(tmp_path / "file", spool=True).fit(text())


def test_text_is_trained_on_without_torch(tmp_path):
    code = (
        "import sys; from skdevise import SkipGramEmbedder\n"
        "SkipGramEmbedder(4, min_count=1, checkpoint=sys.argv[1]).fit(['a b c d'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    assert run.returncode == 0, run.stderr
    assert list(tmp_path.iterdir())
