import os
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from skdevise import VisualFeaturizer
from skdevise.datasets import load_image_folder

from ._photos import SHARED, image_bytes, write_folder, write_tar, write_zip

PHOTOS = {
    "photos/okapi/b.png": image_bytes("red"),
    "photos/okapi/more/a.png": image_bytes("lime"),
    "photos/zebra/1.PNG": image_bytes("blue"),
}
SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]


def write_archive(path, files):
    """Write a zip or tar file, and compress it if its suffix says so."""
    if path.suffix == ".zip":
        return write_zip(path, files)
    return write_tar(
        path, files, "w:" + path.suffix.lstrip(".").replace("tgz", "gz").replace("tar", "")
    )


def read(photo):
    with photo.open("rb") as file:
        return file.read()


@pytest.fixture(params=SUFFIXES)
def archive(request, tmp_path):
    return write_archive(tmp_path / f"photos{request.param}", PHOTOS)


@pytest.fixture(params=[".zip", ".tar"])
def suffix(request):
    return request.param


def test_an_archive_gives_the_photos_of_its_unpacked_folder(archive, tmp_path):
    unpacked = load_image_folder(write_folder(tmp_path / "unpacked", PHOTOS))
    archived = load_image_folder(archive)
    assert archived.target.tolist() == unpacked.target.tolist() == ["okapi", "okapi", "zebra"]
    assert archived.counts == unpacked.counts == {"okapi": 2, "zebra": 1}
    assert [read(photo) for photo in archived.data] == list(PHOTOS.values())
    assert archived.unreadable == []


def test_a_photo_is_opened_as_a_file_that_can_seek(archive):
    photo = load_image_folder(archive).data[1]
    content = PHOTOS["photos/okapi/more/a.png"]
    with photo.open() as file:
        file.seek(3)
        assert file.read(4) == content[3:7]
    with photo.open() as file, Image.open(file) as image:
        assert image.size == (4, 4)
    with pytest.raises(ValueError, match="'w'"):
        photo.open("w")


def test_photos_can_be_pickled_hashed_and_compared(archive):
    first, second, _ = load_image_folder(archive).data
    copy = pickle.loads(pickle.dumps(first))
    assert copy == first
    assert hash(copy) == hash(first)
    assert first != second
    assert read(copy) == PHOTOS["photos/okapi/b.png"]


def test_the_text_of_a_photo_is_its_url(suffix, tmp_path):
    archive = write_archive(tmp_path / f"photos{suffix}", PHOTOS)
    photo = load_image_folder(archive).data[0]
    assert str(photo) == f"{suffix[1:]}://photos/okapi/b.png::{archive}"
    with fsspec.open(str(photo)) as file:
        assert file.read() == PHOTOS["photos/okapi/b.png"]


def test_a_chained_url_selects_a_folder_of_the_archive(suffix, tmp_path):
    archive = write_archive(tmp_path / f"a{suffix}", PHOTOS | {"test/okapi/1.png": image_bytes()})
    photos = load_image_folder(f"{suffix[1:]}://photos::{archive}")
    assert [read(photo) for photo in photos.data] == list(PHOTOS.values())
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_a_remote_folder_and_a_remote_archive_are_read(suffix, tmp_path):
    # The memory file system of fsspec takes the place of a remote one.
    memory = fsspec.filesystem("memory")
    for name, content in PHOTOS.items():
        memory.pipe(f"/{suffix}/{name}", content)
    archive = write_archive(tmp_path / f"a{suffix}", PHOTOS)
    memory.pipe(f"/archives/a{suffix}", archive.read_bytes())
    for url in (f"memory://{suffix}/photos", f"memory://archives/a{suffix}"):
        photos = load_image_folder(url)
        assert photos.target.tolist() == ["okapi", "okapi", "zebra"]
        assert [read(photo) for photo in photos.data] == list(PHOTOS.values())


def test_threads_can_read_one_archive_together(suffix, tmp_path):
    files = {f"{label}/{i}.png": image_bytes(size=i + 1) for label in "ab" for i in range(20)}
    photos = load_image_folder(write_archive(tmp_path / f"a{suffix}", files))
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(40), 5))
    contents = [read(photo) for photo in photos.data]
    assert sorted(contents) == sorted(files.values())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, photos.data[rows])) == [contents[row] for row in rows]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system cannot fork.")
def test_a_forked_process_does_not_move_the_position_in_the_archive(suffix, tmp_path):
    photos = load_image_folder(write_archive(tmp_path / f"a{suffix}", PHOTOS)).data
    with photos[0].open() as file:
        file.read(1)
        child = os.fork()
        if child == 0:
            os._exit([read(photo) for photo in photos] != list(PHOTOS.values()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert file.read() == PHOTOS["photos/okapi/b.png"][1:]


def test_an_archive_that_changed_is_read_again(suffix, tmp_path):
    archive = write_archive(tmp_path / f"a{suffix}", PHOTOS)
    read(load_image_folder(archive).data[0])
    write_archive(archive, {"emu/1.png": image_bytes("black"), "rhea/1.png": image_bytes("white")})
    photos = load_image_folder(archive).data
    assert [read(photo) for photo in photos] == [image_bytes("black"), image_bytes("white")]


def test_hidden_files_and_paths_that_leave_the_archive_are_ignored(suffix, tmp_path):
    others = {
        "__MACOSX/photos/okapi/._b.png": image_bytes(),
        "photos/okapi/.b.png": image_bytes(),
        ".hidden/okapi/1.png": image_bytes(),
        "../../quagga/1.png": image_bytes(),
        "photos/../quagga/1.png": image_bytes(),
        "photos/okapi/notes.txt": b"seen at dawn",
    }
    photos = load_image_folder(write_archive(tmp_path / f"a{suffix}", PHOTOS | others))
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_links_in_a_tar_are_ignored(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("photos/okapi/passwd.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    photos = load_image_folder(path)
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.unreadable == []


def test_names_that_begin_with_a_dot_and_a_slash_are_read(tmp_path):
    path = write_tar(tmp_path / "a.tar", {f"./{name}": photo for name, photo in PHOTOS.items()})
    assert load_image_folder(path).counts == {"okapi": 2, "zebra": 1}


def test_unreadable_photos_of_an_archive_are_left_out_and_listed(suffix, tmp_path):
    whole = image_bytes(size=64)
    broken = {
        "photos/okapi/page.jpg": b"<html>404</html>",
        "photos/zebra/cut.png": whole[: len(whole) // 2],
        "photos/zebra/empty.png": b"",
    }
    archive = write_archive(tmp_path / f"a{suffix}", PHOTOS | broken)
    with pytest.warns(UserWarning, match=r"page\.jpg"):
        photos = load_image_folder(archive, check="pixels")
    assert [read(photo) for photo in photos.unreadable] == list(broken.values())
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_an_encrypted_photo_is_unreadable(tmp_path):
    path = write_zip(tmp_path / "a.zip", dict.fromkeys(PHOTOS, image_bytes()))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in the first entry
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="okapi/b.png"):
        assert load_image_folder(path).counts == {"okapi": 1, "zebra": 1}


def test_a_truncated_archive_is_refused(suffix, tmp_path):
    archive = write_archive(tmp_path / f"a{suffix}", {"a/1.png": bytes(9000), "b/1.png": b""})
    archive.write_bytes(archive.read_bytes()[: 5000 if suffix == ".tar" else 50])
    with pytest.raises(ValueError, match=archive.name):
        load_image_folder(archive)


def test_a_tar_file_with_a_damaged_header_is_refused(tmp_path):
    archive = write_archive(tmp_path / "a.tar", PHOTOS)
    content = bytearray(archive.read_bytes())
    # tarfile ends without an error at a header that it cannot read.
    with tarfile.open(archive) as members:
        start = members.getmembers()[-1].offset
    content[start : start + 512] = b"x" * 512
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.tar"):
        load_image_folder(archive)


def test_a_missing_archive_is_named(suffix, tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        load_image_folder(tmp_path / f"gone{suffix}")


def test_stored_photos_in_a_frame(suffix, tmp_path):
    photos = load_image_folder(write_archive(tmp_path / f"a{suffix}", PHOTOS), as_frame=True)
    assert photos.frame.columns.tolist() == ["path", "target"]
    assert photos.frame["path"].tolist() == list(photos.data)
    assert_array_equal(photos.target, ["okapi", "okapi", "zebra"])


def test_the_featurizer_reads_photos_of_an_archive_and_a_folder_alike(suffix, tmp_path):
    rng = np.random.default_rng(0)
    files = {}
    for name in PHOTOS:
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "x.png")
        files[name] = (tmp_path / "x.png").read_bytes()
    folder = load_image_folder(write_folder(tmp_path / "folder", files)).data
    archived = load_image_folder(write_archive(tmp_path / f"a{suffix}", files)).data
    featurizer = VisualFeaturizer("efficientnet_lite0", device="cpu")
    features = featurizer.fit(folder).transform(folder)
    assert_array_equal(featurizer.transform(archived), features)


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not part of the project.")
def test_tiny_imagenet_in_its_archive():
    # The README of the data: 200 classes with 25 validation photos each.
    photos = load_image_folder(SHARED / "tiny-imagenet-200-sample.tar", folder="val")
    assert len(photos.data) == 5_000
    assert set(photos.counts.values()) == {25}
    with photos.data[-1].open() as file, Image.open(file) as image:
        assert image.size == (64, 64)
