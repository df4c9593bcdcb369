from pathlib import Path
from shutil import make_archive

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose
from PIL import ExifTags, Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import (
    ClassifierWeightRegressor,
    Hierarchy,
    PretrainedEmbedder,
    RidgeProjectionClassifier,
)
from skdevise.datasets import load_image_folder
from skdevise.exceptions import UnreadablePhotoError
from skdevise.inspection import TopKDisplay

plt = pytest.importorskip("matplotlib.pyplot")


def test_answers_are_below_each_photo_and_correct_ones_are_green(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("L", (8, 6)).save(path)
    photos = [path, Image.new("RGB", (4, 4)), np.zeros((5, 5), np.uint8)]
    answers = {"DeViSE": [["cat", "dog"]] * 3, "softmax": [["dog", "cat"]] * 3}
    display = TopKDisplay(photos, answers, y_true=["cat", "dog", "rat"]).plot(n_columns=2)
    assert display.axes_.shape == (2, 2)
    first = display.axes_[0, 0]
    assert first.get_title() == "cat"
    texts = [text.get_text() for text in first.texts]
    assert texts == ["DeViSE", "cat ✓", "dog", "softmax", "dog", "cat ✓"]
    for text in first.texts:
        red, green, blue = to_rgb(text.get_color())
        assert (green > max(red, blue)) == text.get_text().endswith("✓")
    assert [len(ax.images) for ax in display.axes_.flat] == [1, 1, 1, 0]


def test_photos_are_read_as_by_the_featurizer(tmp_path):
    # The camera stores a photo of 4 x 8 lying down, and notes that it stands upright.
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "turned.jpg", exif=exif)
    deep = np.full((6, 5), 65535, np.uint16)
    photos = [Image.open(tmp_path / "turned.jpg"), (tmp_path / "turned.jpg").read_bytes()]
    photos += [torch.ones(3, 6, 5), deep]
    axes = TopKDisplay(photos, {"DeViSE": [["cat"]] * 4}).plot().axes_.flat
    images = [ax.images[0].get_array() for ax in axes]
    assert [image.shape for image in images] == [(8, 4, 3), (8, 4, 3), (6, 5, 3), (6, 5, 3)]
    assert (images[2] == 255).all() and (images[3] == 255).all()


def test_a_table_of_one_column_holds_photos(tmp_path):
    paths = [str(tmp_path / f"{level}.png") for level in (0, 255)]
    for path, level in zip(paths, (0, 255), strict=True):
        Image.new("L", (4, 4), level).save(path)
    table = pd.DataFrame({"path": paths}, index=[7, 8])
    axes = TopKDisplay(table, {"DeViSE": [["cat"]] * 2}).plot().axes_.flat
    assert [int(ax.images[0].get_array().max()) for ax in axes] == [0, 255]


def test_an_unreadable_photo_is_named(tmp_path):
    display = TopKDisplay([tmp_path / "gone.jpg"], {"DeViSE": [["cat"]]})
    with pytest.raises(UnreadablePhotoError, match=r"gone\.jpg"):
        display.plot()


def test_each_photo_needs_answers():
    with pytest.raises(ValueError, match="2 photos"):
        TopKDisplay(np.zeros((2, 4, 4), np.uint8), {"DeViSE": [["cat"]]})


@pytest.mark.parametrize(
    ("answers", "y_true", "error", "named"),
    [
        ({"DeViSE": ["cat", "dog"]}, None, ValueError, r"DeViSE.*\(2,\)"),
        ({"DeViSE": [["cat"], ["dog"]]}, ["cat"], ValueError, "1 true"),
        ([["cat"], ["dog"]], None, TypeError, "cat"),
        ({}, None, TypeError, "{}"),
    ],
)
def test_answers_and_true_labels_must_fit_the_photos(answers, y_true, error, named):
    with pytest.raises(error, match=named):
        TopKDisplay(np.zeros((2, 4, 4), np.uint8), answers, y_true)


@pytest.mark.parametrize(("n_photos", "k"), [(1, 1), (3, 5), (6, 10)])
def test_all_answers_are_inside_the_figure(n_photos, k):
    photos = [np.zeros((10 + 20 * (i % 2), 20, 3), np.uint8) for i in range(n_photos)]
    answers = [[f"answer {rank}" for rank in range(k)]] * n_photos
    display = TopKDisplay(photos, {"DeViSE": answers}, answers[0][:1] * n_photos)
    figure = display.plot(n_columns=3).figure_
    figure.canvas.draw()
    texts = [text for ax in display.axes_.flat for text in [ax.title, *ax.texts]]
    boxes = np.array([text.get_window_extent().extents for text in texts if text.get_text()])
    assert (boxes >= 0).all()
    assert (boxes[:, 2:] <= figure.bbox.size).all()


def bars(ax):
    """Return the lengths of the bars below a photo, as shares of the width of its axes."""
    return [line.get_xdata()[1] - line.get_xdata()[0] for line in ax.get_lines()]


def test_probabilities_are_printed_and_drawn():
    photos, answers = np.zeros((1, 4, 4), np.uint8), {"a": [["cat", "dog"]], "b": [["cat", "dog"]]}
    display = TopKDisplay(photos, answers, ["dog"], probabilities={"b": [[0.75, 0.25]]}).plot()
    (ax,) = display.axes_.flat
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["a", "cat", "dog ✓", "b", "0.75 cat", "0.25 dog ✓"]
    np.testing.assert_allclose(bars(ax), [0.95 / 2 * 0.75, 0.95 / 2 * 0.25])


@pytest.mark.parametrize("probabilities", [{"b": [[0.5]]}, {"a": [[0.5, 0.5]]}], ids=str)
def test_probabilities_must_fit_the_answers(probabilities):
    with pytest.raises(ValueError, match=repr(next(iter(probabilities)))):
        TopKDisplay(np.zeros((1, 4, 4)), {"a": [["cat"]]}, probabilities=probabilities)


def mean_colours(photos):
    """Return the mean colour of each photo: (n_photos, 3)."""
    return np.array([photo.mean(axis=(0, 1)) for photo in photos])


@pytest.mark.parametrize("labels", [None, ["blue", "green"]])
def test_an_estimator_shows_its_most_probable_labels(labels):
    photos = [np.full((4, 4, 3), colour, np.uint8) for colour in 255 * np.eye(3, dtype=int)]
    embedder = PretrainedEmbedder(dict(zip(["red", "green", "blue"], np.eye(3), strict=True)))
    features = FunctionTransformer(mean_colours)
    pipe = make_pipeline(features, RidgeProjectionClassifier(embedder))
    pipe.fit(photos[:2], ["red", "green"])
    y, options = ["red", "green"], {"labels": labels, "k": 9, "name": "colours"}
    display = TopKDisplay.from_estimator(pipe, photos[:2], y, **options)
    assert [ax.get_title() for ax in display.axes_.flat] == y
    candidates = np.array(labels or ["green", "red"])
    proba = pipe[-1].predict_proba(features.transform(photos[:2]), labels=candidates)
    order = np.argsort(-proba, axis=1)
    assert display.answers["colours"].tolist() == candidates[order].tolist()
    for ax, values in zip(display.axes_.flat, proba, strict=True):
        np.testing.assert_allclose(bars(ax), 0.95 * np.sort(values)[::-1])
    with pytest.raises(ValueError, match="k=0"):
        TopKDisplay.from_estimator(pipe, photos, k=0)


def test_series_of_photos_in_an_archive_are_drawn(tmp_path):
    Path(tmp_path, "photos/okapi").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(tmp_path / "photos/okapi/1.png")
    archive = make_archive(tmp_path / "photos", "zip", tmp_path / "photos")
    photos = load_image_folder(archive, as_frame=True)
    X, y = photos.data.set_axis([7]), photos.target.set_axis([7])
    (ax,) = TopKDisplay(X, {"DeViSE": [["okapi"]]}, y).plot().axes_.flat
    assert ax.get_title() == "okapi"
    assert ax.images[0].get_array().shape == (6, 8, 3)


def test_a_row_needs_a_photo():
    display = TopKDisplay(np.zeros((1, 4, 4), np.uint8), {"DeViSE": [["cat"]]})
    with pytest.raises(ValueError, match="n_columns=0"):
        display.plot(n_columns=0)


def test_labels_are_not_parsed_as_formulas():
    photos, answers = np.zeros((1, 4, 4), np.uint8), {"$\\x$": [["$\\y$"]]}
    TopKDisplay(photos, answers, y_true=["$\\z$"]).plot().figure_.canvas.draw()


def test_reasons_are_below_the_answers():
    photos = np.zeros((2, 4, 4), np.uint8)
    X, y = [[9, 1], [8, 3], [1, 9], [3, 8]], ["beagle", "cat", "truck", "bicycle"]
    tree = Hierarchy.from_edges(
        [("pet", "beagle"), ("pet", "cat"), ("pet", "husky"), ("machine", "truck")]
        + [("machine", "bicycle"), ("machine", "tractor")]
    )
    clf = ClassifierWeightRegressor(hierarchy=tree).fit(X, y)
    pipe = make_pipeline(FunctionTransformer(lambda photos: np.array([[9.0, 1], [1, 9]])), clf)
    options = {"labels": ["husky", "tractor"], "name": "weights"}
    display = TopKDisplay.from_estimator(pipe, photos, k=1, n_reasons=2, **options)
    table = clf.explain([[9, 1], [1, 9]], options["labels"], n_reasons=2)
    for i, ax in enumerate(display.axes_.flat):
        name, answer, header, *reasons = (text.get_text() for text in ax.texts)
        assert name == "weights" and ["husky", "tractor"][i] in answer and answer[-5:] in header
        rows = table[(table["sample"] == i) & (table["kind"] == "training label")]
        assert [line.split()[1] for line in reasons] == rows["reason"].tolist()
        assert_allclose(
            [float(line.split()[0]) for line in reasons], rows["contribution"], atol=0.01
        )
    ridge = RidgeProjectionClassifier().fit(X, y)
    with pytest.raises(TypeError, match="RidgeProjectionClassifier"):
        TopKDisplay.from_estimator(make_pipeline(pipe[0], ridge), photos, n_reasons=2)
    with pytest.raises(ValueError, match="1 list"):
        TopKDisplay(photos, {"a": [["cat"], ["dog"]]}, reasons={"a": [["tail"]]})


def test_samples_that_are_no_photos_are_shown_by_their_photos():
    table = pd.DataFrame({"path": ["a", "b"], "width": [1.0, 9], "height": [9.0, 1]}, index=[7, 8])
    sizes = ["width", "height"]
    clf = RidgeProjectionClassifier().fit(table[sizes], ["cat", "dog"])
    pipe = make_pipeline(FunctionTransformer(lambda table: table[sizes]), clf)
    photos = np.zeros((2, 4, 4), np.uint8)
    display = TopKDisplay.from_estimator(pipe, table, photos=photos, k=1, name="ridge")
    assert display.answers["ridge"].tolist() == [["cat"], ["dog"]]
    with pytest.raises(ValueError, match="3 columns"):
        TopKDisplay.from_estimator(pipe, table)
    with pytest.raises(ValueError, match="2 columns"):
        TopKDisplay(np.ones((1, 2)), {"ridge": [["cat"]]})
