import io
import pickle
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from skdevise.datasets import load_image_folder
from skdevise.datasets._archives import ArchivePhoto, list_archive

SAMPLE = Path(__file__).parents[3] / "shared/data/tiny-imagenet-200-sample.tar"


def png(colour="teal", size=4):
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "png")
    return file.getvalue()


PHOTOS = {
    "photos/okapi/b.png": png("red"),
    "photos/okapi/more/a.png": png("lime"),
    "photos/zebra/1.PNG": png("blue"),
}


def write_tar(path, files, links=()):
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def write_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_stored_zip(path, files):
    return write_zip(path, files, zipfile.ZIP_STORED)


@pytest.fixture(params=[write_tar, write_zip, write_stored_zip])
def write(request):
    """One way to make an archive."""
    return request.param


def test_lists_photos_as_of_the_unpacked_folder(write, tmp_path):
    for name, content in PHOTOS.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    unpacked = load_image_folder(tmp_path / "unpacked")
    archived = load_image_folder(write(tmp_path / "archive", PHOTOS))
    assert [photo.member for photo in archived.data] == [
        Path(path).relative_to(tmp_path / "unpacked").as_posix() for path in unpacked.data
    ]
    assert archived.target.tolist() == unpacked.target.tolist() == ["okapi", "okapi", "zebra"]
    assert archived.counts == unpacked.counts == {"okapi": 2, "zebra": 1}
    assert archived.unreadable == []


def test_a_photo_gives_its_bytes(write, tmp_path):
    photos = load_image_folder(write(tmp_path / "archive", PHOTOS)).data
    for photo in photos:
        with photo.open("rb") as file:
            assert file.read() == PHOTOS[photo.member]
            assert file.seek(-3, io.SEEK_END) == len(PHOTOS[photo.member]) - 3
            assert file.read() == PHOTOS[photo.member][-3:]
            file.seek(1)
            file.seek(2, io.SEEK_CUR)
            assert file.tell() == 3
            assert file.read(4) == PHOTOS[photo.member][3:7]
        with photo.open() as file, Image.open(file) as image:
            assert image.size == (4, 4)


@given(
    content=st.binary(max_size=200),
    reads=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 80))),
)
def test_a_stored_photo_reads_like_a_file_of_its_own(tmp_path_factory, content, reads):
    archive = write_tar(
        tmp_path_factory.mktemp("tar") / "a.tar", {"x": b"before", "y": content, "z": b"after"}
    )
    files, _ = list_archive(archive)
    with files["y",].open() as file:
        alone = io.BytesIO(content)
        for position, size in reads:
            assert file.seek(position) == alone.seek(position)
            assert file.read(size) == alone.read(size)
    assert file.raw._file.closed


def test_a_photo_is_a_small_value(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    first, second, _ = load_image_folder(path).data
    again = pickle.loads(pickle.dumps(first))
    assert again == first and hash(again) == hash(first) and first != second
    assert repr(first) == f"ArchivePhoto(archive={str(path)!r}, member='photos/okapi/b.png')"
    assert str(first) == f"{path}/photos/okapi/b.png"
    assert not hasattr(first, "__fspath__")
    with pytest.raises(ValueError, match="mode='w' does not go with a photo in an archive"):
        first.open("w")


def test_threads_read_one_archive_at_once(write, tmp_path):
    files = {f"{label}/{i}.png": png(size=i + 1) for label in "ab" for i in range(20)}
    photos = load_image_folder(write(tmp_path / "archive", files)).data

    def read(photo):
        with photo.open() as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, np.repeat(photos, 5)))
    assert found == [files[photo.member] for photo in np.repeat(photos, 5)]


def test_opening_never_reads_the_list_of_members(tmp_path, monkeypatch):
    photos = load_image_folder(write_zip(tmp_path / "a.zip", PHOTOS)).data
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("searched"))
    monkeypatch.setattr(tarfile, "open", lambda *_: pytest.fail("searched"))
    assert photos[0].open().read() == PHOTOS["photos/okapi/b.png"]


def test_skips_what_is_hidden_and_what_leads_out(write, tmp_path):
    strange = {
        "__MACOSX/photos/okapi/._b.png": png(),
        "photos/okapi/.b.png": png(),
        ".hidden/okapi/1.png": png(),
        "../../quagga/1.png": png(),
        "photos/../quagga/1.png": png(),
        "/quagga/1.png": png(),
        "photos/okapi/notes.txt": b"seen at dawn",
        "photos/cover.png": png(),
    }
    photos = load_image_folder(write(tmp_path / "archive", PHOTOS | strange))
    assert [photo.member for photo in photos.data] == sorted(PHOTOS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive"]


def test_links_in_a_tar_are_passed_over(tmp_path):
    links = [("photos/okapi/passwd.png", "/etc/passwd"), ("photos/okapi/2.png", "b.png")]
    photos = load_image_folder(write_tar(tmp_path / "a.tar", PHOTOS, links))
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.unreadable == []


def test_links_in_a_zip_are_passed_over(tmp_path):
    path = write_zip(tmp_path / "a.zip", PHOTOS)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("photos/okapi/passwd.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert load_image_folder(path).unreadable == []


def test_folders_of_an_archive_count_whether_listed_or_not(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    with tarfile.open(path, "a") as archive:
        folder = tarfile.TarInfo("photos/quagga")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    with pytest.warns(UserWarning, match="1 class folder of .* left out: 'quagga'"):
        load_image_folder(path)
    with zipfile.ZipFile(write_zip(tmp_path / "a.zip", PHOTOS), "a") as archive:
        archive.writestr("photos/quagga/", "")
    with pytest.warns(UserWarning, match="1 class folder of .* left out: 'quagga'"):
        load_image_folder(tmp_path / "a.zip")


def test_of_members_of_one_name_the_last_counts(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("./photos/okapi/b.png")
        info.size = len(png("black", 9))
        archive.addfile(info, io.BytesIO(png("black", 9)))
    photos = load_image_folder(path)
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.data[0].open().read() == png("black", 9)


def test_leaves_out_what_is_not_an_image_and_says_so(write, tmp_path):
    broken = {"photos/okapi/page.jpg": b"<html>404</html>", "photos/zebra/empty.png": b""}
    path = write(tmp_path / "archive", PHOTOS | broken)
    with pytest.warns(
        UserWarning, match="2 files under .* left out: .*page.jpg.*empty.png"
    ) as seen:
        photos = load_image_folder(path)
    assert seen[0].filename == __file__
    assert [photo.member for photo in photos.unreadable] == list(broken)
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_a_damaged_photo_is_found_out_when_it_is_opened(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a/1.png": png(size=64), "b/1.png": png(size=64)})
    photo = load_image_folder(path).data[0]
    content = bytearray(path.read_bytes())
    content[photo.offset : photo.offset + photo.packed_size] = b"\xff" * photo.packed_size
    path.write_bytes(content)
    with pytest.raises(OSError, match="a.zip/a/1.png' is damaged"):
        photo.open()
    with pytest.warns(UserWarning) as seen:
        assert load_image_folder(path).counts == {"b": 1}
    assert "1 file under" in str(seen[0].message) and "a.zip/a/1.png'" in str(seen[0].message)


def test_a_photo_that_inflates_to_other_than_was_announced(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"bomb.png": bytes(10**6)})
    files, _ = list_archive(path)
    bomb = files["bomb.png",]
    assert bomb.packed_size < 2000
    assert len(ArchivePhoto(str(path), "b", bomb.offset, 10, bomb.packed_size).open().read()) == 10
    short = ArchivePhoto(str(path), "b", bomb.offset, 10**7, bomb.packed_size)
    with pytest.raises(OSError, match="breaks off after 1000000 of 10000000 bytes"):
        short.open()


def test_an_archive_that_is_gone(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    photo = load_image_folder(path).data[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="a.tar"):
        photo.open()


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_a_compressed_tar_is_refused_with_what_to_do(tmp_path, mode):
    path = tmp_path / f"a.tar.{mode}"
    with tarfile.open(path, f"w:{mode}") as archive:
        archive.addfile(tarfile.TarInfo("okapi/1.png"))
    with pytest.raises(ValueError, match="is a compressed tar, .* make it a plain .tar"):
        load_image_folder(path)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.9])
def test_an_archive_that_breaks_off_is_refused(write, tmp_path, fraction):
    path = write(tmp_path / "a.zip", {"a/1.png": bytes(range(256)) * 99, "b/1.png": png()})
    content = path.read_bytes().rstrip(b"\0")  # The zeros at the end of a tar are filling.
    path.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(ValueError, match="(damaged|breaks off).* again"):
        load_image_folder(path)


def test_a_tar_with_a_broken_header_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", PHOTOS)
    files, _ = list_archive(path)
    header = files["photos", "zebra", "1.PNG"].offset - 512
    content = bytearray(path.read_bytes())
    content[header : header + 100] = b"?" * 100
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"damaged .bad header at byte {header}.: fetch"):
        load_image_folder(path)


def test_a_zip_whose_parts_are_not_where_it_says_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", PHOTOS)
    content = bytearray(path.read_bytes())
    content[0:4] = b"????"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged .*b.png' is not where it should be"):
        load_image_folder(path)


def test_a_zip_of_another_method_or_with_a_password_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", PHOTOS, zipfile.ZIP_BZIP2)
    with pytest.raises(ValueError, match="b.png' in .* is packed in an uncommon way: unpack"):
        load_image_folder(path)
    content = bytearray(write_zip(tmp_path / "b.zip", PHOTOS).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(ValueError, match="b.png' in .* is encrypted: unpack"):
        load_image_folder(tmp_path / "b.zip")


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    inner = write_stored_zip(tmp_path / "inner", {"a/1.png": png()}).read_bytes()
    files = {"okapi/1.png": png(), "zebra/1.png": png(), "notes.zip": inner}
    path = write_tar(tmp_path / "a", files)
    path.write_bytes(path.read_bytes().rstrip(b"\0") + bytes(1024))
    assert load_image_folder(path).counts == {"okapi": 1, "zebra": 1}


def test_pair_and_frame(write, tmp_path):
    path = write(tmp_path / "archive", PHOTOS)
    photos = load_image_folder(path)
    X, y = load_image_folder(path, return_X_y=True)
    assert X.dtype == object and X.shape == (3,)
    assert_array_equal(X, photos.data)
    assert_array_equal(y, photos.target)
    framed = load_image_folder(path, as_frame=True)
    assert framed.frame.columns.tolist() == ["path", "target"]
    assert framed.data.tolist() == X.tolist()


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"{SAMPLE} is not part of the project.")
def test_tiny_imagenet_in_its_archive():
    # 200 classes, 25 photos each for validation: the README of the data.
    photos = load_image_folder(SAMPLE, folder="val")
    assert len(photos.data) == 5_000
    assert set(photos.counts.values()) == {25}
    with photos.data[-1].open() as file, Image.open(file) as image:
        assert image.size == (64, 64)
