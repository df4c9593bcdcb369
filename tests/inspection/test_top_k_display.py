import numpy as np
import pytest
from PIL import Image

from skdevise.inspection import TopKDisplay

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_answers_are_below_each_photo_and_correct_ones_are_green(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("L", (8, 6)).save(path)
    photos = [path, Image.new("RGB", (4, 4)), np.zeros((5, 5), np.uint8)]
    answers = {"DeViSE": [["cat", "dog"]] * 3, "softmax": [["dog", "cat"]] * 3}
    display = TopKDisplay(photos, answers, y_true=["cat", "dog", "rat"]).plot(n_columns=2)
    assert display.axes_.shape == (2, 2)
    first = display.axes_[0, 0]
    assert first.get_title() == "cat"
    texts = [(text.get_text(), text.get_color()) for text in first.texts]
    grey, green = "0.2", "tab:green"
    assert texts == [
        ("DeViSE", "black"), ("cat", green), ("dog", grey),
        ("softmax", "black"), ("dog", grey), ("cat", green),
    ]  # fmt: skip
    assert [len(ax.images) for ax in display.axes_.flat] == [1, 1, 1, 0]


def test_each_photo_needs_answers():
    with pytest.raises(ValueError, match="2 photos"):
        TopKDisplay(np.zeros((2, 4, 4), np.uint8), {"DeViSE": [["cat"]]})


def test_labels_are_not_parsed_as_formulas():
    photos, answers = np.zeros((1, 4, 4), np.uint8), {"$\\x$": [["$\\y$"]]}
    TopKDisplay(photos, answers, y_true=["$\\z$"]).plot().figure_.canvas.draw()
