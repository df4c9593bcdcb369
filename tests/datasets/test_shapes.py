import numpy as np
import pytest
from gensim.models import Word2Vec
from numpy.testing import assert_array_equal

from skdevise.datasets import make_shapes

COLOURS = {
    "red": (210, 35, 35),
    "orange": (235, 130, 20),
    "yellow": (230, 215, 40),
    "green": (40, 160, 50),
    "blue": (40, 75, 215),
    "purple": (140, 45, 170),
}


def test_images_labels_and_text_have_the_requested_sizes():
    shapes = make_shapes(84, image_size=24, n_sentences=10, random_state=0)
    assert shapes.images.shape == (84, 24, 24, 3)
    assert shapes.images.dtype == np.uint8
    assert shapes.target.shape == (84,)
    assert len(shapes.corpus) == 10
    assert "84 synthetic RGB photos" in shapes.DESCR


def test_labels_have_equal_numbers_of_photos():
    # 84 photos of 42 labels are two photos a label.
    names, counts = np.unique(make_shapes(84, random_state=0).target, return_counts=True)
    assert_array_equal(names, make_shapes(1).target_names)
    assert_array_equal(counts, np.full(42, 2))


def test_random_state_makes_photos_and_text_reproducible():
    first, again, other = (make_shapes(20, random_state=seed) for seed in (0, 0, 1))
    assert_array_equal(first.images, again.images)
    assert_array_equal(first.target, again.target)
    assert first.corpus == again.corpus
    assert not np.array_equal(first.images, other.images)
    assert first.corpus != other.corpus


def test_the_global_random_generator_does_not_change():
    np.random.seed(0)
    expected = np.random.uniform()
    np.random.seed(0)
    make_shapes(5, random_state=3)
    assert np.random.uniform() == expected


def test_the_shape_has_the_colour_of_its_label():
    shapes = make_shapes(84, random_state=0)
    palette = np.array(list(COLOURS.values()))
    for image, label in zip(shapes.images.astype(int), shapes.target, strict=True):
        # The background is grey, so the channels differ by more than noise inside the shape only.
        colour = np.median(image[np.ptp(image, axis=2) > 90], axis=0)
        nearest = np.linalg.norm(palette - colour, axis=1).argmin()
        assert list(COLOURS)[nearest] == label.split()[0]


@pytest.mark.parametrize("shape", ["circle", "ring", "square", "triangle", "cross", "star"])
def test_the_whole_shape_is_inside_the_photo(shape):
    shapes = make_shapes(420, random_state=0)
    images = shapes.images[np.char.endswith(shapes.target, f"red {shape}")].astype(int)
    coloured = np.ptp(images, axis=3) > 90
    border = np.ones((32, 32), dtype=bool)
    border[1:-1, 1:-1] = False
    assert coloured[:, border].mean() < 0.02


def test_the_hierarchy_is_a_tree_of_all_labels():
    shapes = make_shapes(1)
    parents = {child: parent for parent, child in shapes.edges}
    assert len(parents) == len(shapes.edges)
    path = ["red circle"]
    while path[-1] in parents:
        path.append(parents[path[-1]])
    assert path == ["red circle", "circle", "round thing", "thing"]
    assert set(shapes.target_names) <= set(parents)
    assert set(parents.values()) - set(parents) == {"thing"}


@pytest.fixture(scope="module")
def vectors():
    """Skip-gram vectors of the text, with one word for each label."""
    shapes = make_shapes(1, random_state=0)
    sentences = []
    for sentence in shapes.corpus:
        for label in shapes.target_names:
            sentence = sentence.replace(label, label.replace(" ", "_"))
        sentences.append(sentence.split())
    return Word2Vec(
        sentences, vector_size=50, window=20, sg=1, hs=1, negative=0, epochs=5, seed=0, workers=1
    ).wv


@pytest.mark.parametrize("colour", ["red", "blue"])
@pytest.mark.parametrize("shape", ["circle", "star"])
def test_labels_with_a_common_word_have_similar_vectors(vectors, colour, shape):
    label = f"{colour}_{shape}"
    for relative in (f"{colour}_square", f"green_{shape}", colour, shape):
        for stranger in ("yellow_triangle", "yellow", "triangle"):
            assert vectors.similarity(label, relative) > vectors.similarity(label, stranger)


@pytest.mark.parametrize("value", [{"n_samples": 0}, {"image_size": 7}, {"n_sentences": -1}])
def test_sizes_that_are_too_small_are_refused(value):
    with pytest.raises(ValueError, match=next(iter(value))):
        make_shapes(**value)
