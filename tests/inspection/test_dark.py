"""Every display can be read on a light and on a dark ground."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from skdevise.inspection import (
    HierarchicalPrecisionDisplay,
    HierarchyConfusionDisplay,
    LabelMapDisplay,
    RejectionCurveDisplay,
    TopKDisplay,
    TrainingCurveDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")

HISTORY = pd.DataFrame({"train_loss": [2, 1]}, index=pd.Index([1, 2], name="epoch"))
DISPLAYS = {
    "hierarchical precision": HierarchicalPrecisionDisplay([1, 2], [0, 1], name="a"),
    "confusion": HierarchyConfusionDisplay([[0.9, 0.1]], ["cat"], [7]),
    "label map": LabelMapDisplay(np.eye(2), ["cat", "dog"], ["a", "b"]),
    "rejection": RejectionCurveDisplay([0.5, 1], [1, 0.5], [0.9, 0.1], name="a"),
    "top k": TopKDisplay(
        np.zeros((1, 4, 4), np.uint8), {"a": [["cat", "dog"]]}, ["cat"],
        probabilities={"a": [[0.9, 0.1]]},
    ),
    "training": TrainingCurveDisplay(HISTORY, name="a"),
}  # fmt: skip


def contrast(one, other):
    """Return the contrast of two colours, from 1 to 21 (WCAG 2)."""
    luminance = [np.array(to_rgb(c)) ** 2.2 @ (0.2126, 0.7152, 0.0722) + 0.05 for c in (one, other)]
    return max(luminance) / min(luminance)


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_texts_and_lines_can_be_seen(name, style):
    with plt.style.context(style):
        display = DISPLAYS[name].plot()
        axes = display.figure_.axes
        for ax in axes:
            ground = ax.get_facecolor()
            for line in ax.get_lines():
                assert contrast(line.get_color(), ground) >= 2
            inside = ax.texts if name != "confusion" else []  # Cells have a ground of their own.
            for text in [*inside, *ax.get_xticklabels(), ax.title, ax.xaxis.label]:
                assert contrast(text.get_color(), ground) >= 3
        if name == "confusion":
            cells = display.image_.get_array()[0]
            for text in axes[0].texts:
                assert contrast(text.get_color(), cells[int(text.get_position()[0])]) >= 3


@pytest.mark.parametrize("style", [{"text.color": "grey"}, "seaborn-v0_8"])
@pytest.mark.parametrize("name", DISPLAYS)
def test_styles_may_have_pale_texts_or_fonts_without_signs(name, style):
    with plt.style.context(style):
        DISPLAYS[name].plot().figure_.canvas.draw()
