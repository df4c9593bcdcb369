import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms._presets import ImageClassification
from torchvision.transforms.functional import pil_to_tensor

from skdevise.exceptions import UnreadablePhotoError
from skdevise.vision._loading import load_ahead, load_batch, load_batches
from skdevise.vision._photos import Photos, chunks_of

PRESET = ImageClassification(crop_size=8, resize_size=10)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    if not set(threading.enumerate()) <= before:
        gc.collect()  # a generator that was dropped ends its threads
    assert set(threading.enumerate()) <= before


class Recorder:
    """Photos that note which of them have been asked for."""

    def __init__(self, n):
        self.arrays = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
        self.asked = []
        self.was_asked = threading.Condition()

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, row):
        with self.was_asked:
            self.asked.append(row)
            self.was_asked.notify_all()
        return Image.fromarray(self.arrays[row])


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
@pytest.mark.parametrize("preprocess", [PRESET, pil_to_tensor])
def test_batches_come_in_the_order_asked_for(n_jobs, preprocess, arrays):
    rows = [4, 0, 3, 3, 1, 2, 0]
    photos = Photos(arrays)
    expected = load_batch(photos, range(5), preprocess, n_jobs=None)
    batches = list(load_batches(photos, rows, preprocess, 3, n_jobs))
    assert [batch.rows for batch in batches] == [rows[:3], rows[3:6], rows[6:]]
    assert all(batch.failures == {} and batch.photos is photos for batch in batches)
    assert torch.equal(torch.cat([batch.tensor for batch in batches]), expected[rows])


def test_rows_may_be_an_array_and_none_at_all(arrays):
    photos = Photos(arrays)
    (batch,) = load_batches(photos, np.array([2, 1]), PRESET, 5)
    assert list(batch.rows) == [2, 1] and batch.tensor.shape == (2, 3, 8, 8)
    assert list(load_batches(photos, [], PRESET, 5)) == []


def test_what_cannot_be_read_is_told_and_nothing_is_lost(arrays):
    X = [arrays[0], b"not a photo", arrays[2], arrays[3], "missing.jpg", b""]
    photos = Photos(X)
    for preprocess in (PRESET, pil_to_tensor):
        first, second, third = load_batches(photos, range(6), preprocess, 2, n_jobs=2)
        assert (first.rows, second.rows, third.rows) == ([0], [2, 3], [])
        assert third.tensor is None
        assert torch.equal(first.tensor[0], load_batch(photos, [0], preprocess, None)[0])
        assert torch.equal(second.tensor, load_batch(photos, [2, 3], preprocess, None))
        failures = first.failures | second.failures | third.failures
        assert list(failures) == [1, 4, 5]
        assert str(failures[4]).startswith("missing.jpg cannot be read, as there is no such file")


def test_failures_keep_no_photo_in_memory(arrays):
    contents = []

    class File:
        def open(self, mode):
            content = np.zeros(10)
            contents.append(weakref.ref(content))
            raise OSError("disk on fire")

    (batch,) = load_batches(Photos([arrays[0], File()]), range(2), PRESET, 2)
    assert isinstance(batch.failures[1].__cause__, OSError)
    tensor = weakref.ref(batch.tensor)
    failures = batch.failures
    del batch
    gc.collect()
    assert contents[0]() is None and tensor() is None and len(failures) == 1


def test_it_runs_ahead_by_two_batches():
    photos = Recorder(60)
    batches = load_batches(photos, range(60), pil_to_tensor, 4)
    assert photos.asked == []
    for number in range(1, 15):
        next(batches)
        n_ahead = 4 * min(number + 2, 15)
        with photos.was_asked:  # while the net works
            assert photos.was_asked.wait_for(lambda n=n_ahead: len(photos.asked) >= n, timeout=60)
        assert len(photos.asked) == n_ahead
    batches.close()


def test_closing_ends_the_threads():
    photos = Recorder(100)
    batches = load_batches(photos, range(100), pil_to_tensor, 5, n_jobs=3)
    next(batches)
    assert any(thread.name.startswith("skdevise") for thread in threading.enumerate())
    batches.close()
    assert not any(thread.name.startswith("skdevise") for thread in threading.enumerate())
    assert len(photos.asked) <= 15


def test_interrupting_ends_the_threads():
    def consume():
        for _ in load_batches(Recorder(100), range(100), pil_to_tensor, 5, n_jobs=3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_other_exceptions_come_after_the_batches_before(n_jobs):
    def preprocess(image):
        if image.getpixel((0, 0))[0] == 7:
            raise ZeroDivisionError("seven")
        return pil_to_tensor(image)

    batches = load_batches(Recorder(20), range(20), preprocess, 3, n_jobs)
    assert [next(batches).rows, next(batches).rows] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ZeroDivisionError, match="seven"):
        next(batches)


def test_several_shapes_are_refused(arrays):
    photos = Photos([arrays[0], arrays[1][:5]])
    with pytest.raises(ValueError, match="preprocess gives tensors of several shapes"):
        load_batch(photos, [0, 1], pil_to_tensor, n_jobs=None)


def test_iterables_of_unknown_length(arrays):
    taken = []

    def stream():
        for number in range(23):
            taken.append(number)
            yield arrays[number % 5]
        raise OSError("disk on fire")

    parts = ((photos, range(len(photos))) for photos in chunks_of(stream(), 4))
    batches = load_ahead(parts, PRESET)
    first = next(batches)
    assert len(taken) == 12
    tensors = [first.tensor]
    with pytest.raises(OSError, match="disk on fire"):
        tensors.extend(batch.tensor for batch in batches)
    expected = load_batch(Photos(arrays), [number % 5 for number in range(23)], PRESET, None)
    assert torch.equal(torch.cat(tensors), expected)


def test_one_batch_raises_the_first_failure(arrays):
    photos = Photos([arrays[0], b"not a photo", b""])
    with pytest.raises(UnreadablePhotoError, match="photo number 2 cannot be read, as it is empty"):
        load_batch(photos, [0, 2, 1], PRESET, n_jobs=2)


def test_torchs_number_of_threads_is_left_alone(arrays):
    n_threads = torch.get_num_threads()
    load_batch(Photos(arrays), range(5), PRESET, n_jobs=2)
    assert torch.get_num_threads() == n_threads
