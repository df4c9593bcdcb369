"""Photos as training takes them: at any rows, as tensors, altered a little each time."""

import numpy as np
import torch
from PIL import Image

from skdevise.vision._decoding import image_pixels
from skdevise.vision._loading import load_batch

# Krizhevsky's net, the one that DeViSE starts from, takes 224 of 256 pixels, anywhere.
_LARGEST_SHIFT = (256 - 224) / 2 / 256


def flip_crop(image, rng):
    """Move a photo by up to 16/256 of each side, and mirror every other one.

    This is how the visual model of DeViSE is trained [1]_ (appendix A.1), [2]_ (section 4.1): the
    centre crop that a photo's preprocessing takes becomes a window of 224/256 of each side at a
    random place. The photo keeps its size, and what comes in at an edge repeats the edge: if it
    were cropped here, the net would see everything larger in training than in use.

    Parameters
    ----------
    image : PIL.Image.Image
    rng : numpy.random.Generator

    Returns
    -------
    PIL.Image.Image

    References
    ----------
    .. [1] Frome et al., "DeViSE: a deep visual-semantic embedding model", NeurIPS 2013.
    .. [2] Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
       NeurIPS 2012.

    Examples
    --------
    >>> image = Image.fromarray(np.arange(16, dtype=np.uint8)[None].repeat(16, axis=0))
    >>> np.asarray(flip_crop(image, np.random.default_rng(4)))[0]  # moved to the left, mirrored
    array([15, 15, 14, 13, 12, 11, 10,  9,  8,  7,  6,  5,  4,  3,  2,  1], dtype=uint8)
    """
    pixels = np.asarray(image)
    for axis in (0, 1):
        size = pixels.shape[axis]
        largest = round(size * _LARGEST_SHIFT)
        shift = rng.integers(-largest, largest, endpoint=True)
        pixels = pixels.take(np.arange(size) + shift, axis, mode="clip")
    if rng.integers(2):
        pixels = pixels[:, ::-1]
    return Image.fromarray(pixels)


AUGMENTATIONS = {"flip_crop": flip_crop}


class PhotoTensors:
    """Photos as a net reads them, decoded whenever they are asked for.

    Parameters
    ----------
    photos : Photos
    preprocess : callable
        Makes a (C, H, W) tensor of a PIL image.
    n_jobs : int or None
        Number of threads.
    augment : callable, default=None
        Makes another image of a PIL image in RGB and a numpy `Generator`, before `preprocess`.
        It draws afresh each time that a photo is asked for.
    seed : int, default=0
        Seeds `generator`.

    Attributes
    ----------
    n_rows_at_once : int
        One: what a look-up costs grows with its photos, so nothing is gained by several batches.
    generator : torch.Generator
        All that `augment` draws comes from it; its state is that of the augmentation.

    Examples
    --------
    >>> from torchvision.transforms.functional import to_tensor
    >>> from skdevise.vision._photos import Photos
    >>> photos = Photos(np.zeros((3, 16, 16, 3), np.uint8))
    >>> source = PhotoTensors(photos, to_tensor, n_jobs=None, augment=flip_crop)
    >>> source[torch.tensor([2, 0])].shape
    torch.Size([2, 3, 16, 16])
    """

    n_rows_at_once = 1

    def __init__(self, photos, preprocess, n_jobs, augment=None, seed=0):
        self.photos = photos
        self.preprocess = preprocess
        self.n_jobs = n_jobs
        self.augment = augment
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.photos)

    def __getitem__(self, rows):
        if self.augment is None:
            return load_batch(self.photos, rows.tolist(), self.preprocess, self.n_jobs)
        # A seed for each photo, drawn here: threads take the photos in any order.
        seeds = torch.randint(2**63 - 1, (len(rows),), generator=self.generator)
        seeded_rows = list(zip(rows.tolist(), seeds.tolist(), strict=True))
        altered = _AlteredPhotos(self.photos, self.augment)
        return load_batch(altered, seeded_rows, self.preprocess, self.n_jobs)


class _AlteredPhotos:
    """Photos that are indexed by their row and the seed of what is done to them."""

    def __init__(self, photos, augment):
        self.photos = photos
        self.augment = augment

    def __getitem__(self, seeded_row):
        row, seed = seeded_row
        image = self.augment(self.photos[row], np.random.default_rng(seed))
        if not isinstance(image, Image.Image):
            raise TypeError(
                f"augment gives a {type(image).__name__}: it takes a PIL image and a numpy "
                "Generator, and returns a PIL image."
            )
        return image

    def pixels(self, seeded_row):
        return image_pixels(self[seeded_row])
