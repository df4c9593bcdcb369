"""Synthetic photos of coloured shapes, with a text and a hierarchy of their labels."""

from numbers import Integral

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skdevise._compat import Interval, validate_params
from skdevise._typing import RandomState

# RGB value of each colour, and the words that occur with it in the text.
_COLOURS = {
    "red": ((210, 35, 35), "warm", ("blood", "tomato", "rose", "ruby")),
    "orange": ((235, 130, 20), "warm", ("carrot", "amber", "pumpkin", "rust")),
    "yellow": ((230, 215, 40), "warm", ("lemon", "butter", "straw", "gold")),
    "green": ((40, 160, 50), "cold", ("grass", "leaf", "moss", "emerald")),
    "blue": ((40, 75, 215), "cold", ("sky", "sea", "ink", "sapphire")),
    "purple": ((140, 45, 170), "cold", ("violet", "plum", "lilac", "grape")),
}
_TIP = np.cos(np.pi / 5), np.sin(np.pi / 5)


def _star(x, y, inner=0.45):
    """Return True for points inside a five-pointed star. `inner` is the radius between the tips."""
    turn = 2 * np.pi / 5  # By symmetry, it is enough to test one half of one tip.
    angle = np.abs(np.arctan2(x, -y) % turn - turn / 2)
    radius = np.hypot(x, y)
    along, across = radius * np.cos(angle) - inner, radius * np.sin(angle)
    return (_TIP[0] - inner) * across >= _TIP[1] * along


# Test for the inside of a shape of radius 1 (y points down), and the words that occur with it.
_SHAPES = {
    "circle": (
        lambda x, y: np.hypot(x, y) <= 0.9,
        "round",
        ("coin", "wheel", "plate", "button"),
    ),
    "ring": (
        lambda x, y: np.abs(np.hypot(x, y) - 0.7) <= 0.25,
        "round",
        ("hoop", "tyre", "bracelet", "halo"),
    ),
    "crescent": (
        lambda x, y: (np.hypot(x, y) <= 0.95) & (np.hypot(x - 0.45, y) > 0.75),
        "round",
        ("moon", "sickle", "banana", "horn"),
    ),
    "square": (
        lambda x, y: np.maximum(np.abs(x), np.abs(y)) <= 0.7,
        "angular",
        ("tile", "box", "window", "stamp"),
    ),
    "triangle": (
        lambda x, y: (y <= 0.5) & (np.abs(x) <= (y + 1) / np.sqrt(3)),
        "angular",
        ("tent", "sail", "wedge", "gable"),
    ),
    "cross": (
        lambda x, y: (
            (np.minimum(np.abs(x), np.abs(y)) <= 0.25) & (np.maximum(np.abs(x), np.abs(y)) <= 0.9)
        ),
        "angular",
        ("plus", "crossing", "bandage", "grave"),
    ),
    "star": (_star, "angular", ("sheriff", "christmas", "medal", "flag")),
}
_ROOT = "thing"


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "n_sentences": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }
)
def make_shapes(
    n_samples: int = 420,
    *,
    image_size: int = 32,
    n_sentences: int = 4000,
    random_state: RandomState = None,
) -> Bunch:
    """Generate photos of coloured shapes, with a text and a hierarchy of their labels.

    This is the smallest data set with all that a visual-semantic embedding needs. It has 42 labels,
    such as "red circle", from 6 colours and 7 shapes. In the text, a label occurs with the same
    words as its colour and its shape. A skip-gram model therefore places "red circle" near
    "red square", "blue circle", "red" and "circle". A classifier can then recognise labels that
    were held out of training.

    Parameters
    ----------
    n_samples : int, default=420
        Number of photos. Each label has the same number of photos, or one more.
    image_size : int, default=32
        Height and width of each photo in pixels.
    n_sentences : int, default=4000
        Number of sentences in the text.
    random_state : int, RandomState instance or None, default=None
        Seed of the photos and the text. Pass an int for reproducible results.

    Returns
    -------
    shapes : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        images : ndarray of uint8 of shape (n_samples, image_size, image_size, 3)
            RGB photos.
        target : ndarray of str of shape (n_samples,)
            Label of each photo.
        target_names : ndarray of str of shape (42,)
            Sorted labels.
        corpus : list of str of length n_sentences
            Sentences in lower case, without punctuation.
        edges : list of tuple of str
            Hierarchy as pairs (parent, child). A path in it is "thing", "round thing", "circle",
            "red circle".
        DESCR : str
            Summary of the data set.

    Examples
    --------
    >>> from skdevise.datasets import make_shapes
    >>> shapes = make_shapes(100, random_state=0)
    >>> shapes.images.shape, shapes.images.dtype
    ((100, 32, 32, 3), dtype('uint8'))
    >>> shapes.edges[0], shapes.edges[-1]
    (('thing', 'round thing'), ('star', 'purple star'))
    """
    rng = check_random_state(random_state)
    labels = [(colour, shape) for colour in _COLOURS for shape in _SHAPES]
    names = np.array([f"{colour} {shape}" for colour, shape in labels])
    drawn = rng.permutation(np.arange(n_samples) % len(labels))
    images = np.empty((n_samples, image_size, image_size, 3), dtype=np.uint8)
    for image, label in zip(images, drawn, strict=True):
        colour, shape = labels[label]
        image[:] = _draw(colour, shape, image_size, rng)
    return Bunch(
        images=images,
        target=names[drawn],
        target_names=np.sort(names),
        corpus=[_sentence(rng) for _ in range(n_sentences)],
        edges=_edges(),
        DESCR=f"{n_samples} synthetic RGB photos of {image_size} x {image_size} pixels, with "
        f"{len(labels)} labels ({len(_COLOURS)} colours, {len(_SHAPES)} shapes), a text of "
        f"{n_sentences} sentences and a hierarchy of the labels.",
    )


def _edges():
    """List the edges from the root down to the labels."""
    forms = {shape: f"{form} {_ROOT}" for shape, (_, form, _) in _SHAPES.items()}
    return [
        *((_ROOT, form) for form in dict.fromkeys(forms.values())),
        *((form, shape) for shape, form in forms.items()),
        *((shape, f"{colour} {shape}") for shape in _SHAPES for colour in _COLOURS),
    ]


def _draw(colour, shape, size, rng):
    """Draw a slightly rotated shape at a random place on a noisy grey background."""
    radius = rng.uniform(0.25, 0.45)
    left, top = rng.uniform(radius, 1 - radius, 2)  # Keep the whole shape inside the photo.
    angle = rng.uniform(-0.2, 0.2)
    pixels = (np.arange(size) + 0.5) / size
    x, y = (pixels - left) / radius, (pixels[:, np.newaxis] - top) / radius
    filled, _, _ = _SHAPES[shape]
    mask = filled(np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x)

    photo = np.full((size, size, 3), rng.uniform(40, 215))
    photo[mask] = _COLOURS[colour][0] + rng.normal(0, 12, 3)
    photo += rng.normal(0, 15, photo.shape)
    return photo.clip(0, 255)


def _sentence(rng):
    """Write a sentence about a label, two labels with one word in common, a colour, or a shape."""

    def two(words):
        return [list(words)[i] for i in rng.permutation(len(words))[:2]]

    (colour, colour_2), (shape, shape_2) = two(_COLOURS), two(_SHAPES)
    _, warmth, tints = _COLOURS[colour]
    _, form, forms = _SHAPES[shape]
    (tint, tint_2), (thing, thing_2) = two(tints), two(forms)
    sentences = (
        f"the {colour} {shape} is {warmth} like {tint} and {form} like a {thing}",
        f"like {tint} or {tint_2} a {colour} {shape} and a {colour} {shape_2} are {warmth}",
        f"like a {thing} or a {thing_2} a {colour} {shape} and a {colour_2} {shape} are {form}",
        f"{colour} is a {warmth} colour like {tint} and {tint_2}",
        f"a {shape} is a {form} shape like a {thing} and a {thing_2}",
    )
    return sentences[rng.randint(len(sentences))]
