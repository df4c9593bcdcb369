import shutil
import tarfile
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from skdevise.datasets import load_image_folder, load_image_table

from ._photos import image_bytes, write_folder

# Two classes. One of the three photos is in a folder inside its class folder.
PHOTOS = {
    "okapi/b.png": image_bytes("red"),
    "okapi/more/a.webp": image_bytes("lime", image_format="webp"),
    "zebra/1.JPG": image_bytes("blue", image_format="jpeg"),
}


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "photos", PHOTOS)


def names(paths, root):
    return [Path(path).relative_to(root).as_posix() for path in paths]


def test_the_folder_name_is_the_label(root):
    photos = load_image_folder(root)
    assert names(photos.data, root) == ["okapi/b.png", "okapi/more/a.webp", "zebra/1.JPG"]
    assert photos.target.tolist() == ["okapi", "okapi", "zebra"]
    assert photos.target_names.tolist() == ["okapi", "zebra"]
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.unreadable == []
    assert photos.frame is None
    assert "3 photos of 2 labels" in photos.DESCR


def test_root_can_be_a_string(root):
    assert_array_equal(load_image_folder(str(root)).data, load_image_folder(root).data)


SUFFIXES = {
    ".avif": "avif",
    ".dib": "dib",
    ".JFIF": "jpeg",
    ".jpe": "jpeg",
    ".Jp2": "jpeg2000",
    ".mpo": "mpo",
    ".pbm": "ppm",
    ".qoi": "qoi",
    ".TGA": "tga",
    ".TIF": "tiff",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_photos_of_every_format_of_pillow_are_listed(root, suffix):
    Image.init()
    if SUFFIXES[suffix].upper() not in Image.SAVE:
        pytest.skip("This version of Pillow cannot write the format.")
    write_folder(root, {f"okapi/c{suffix}": image_bytes(size=16, image_format=SUFFIXES[suffix])})
    assert load_image_folder(root, check="pixels").counts == {"okapi": 3, "zebra": 1}


def test_formats_that_need_a_plugin_are_reported_until_it_is_there(root, monkeypatch):
    write_folder(root, {"okapi/c.HEIC": image_bytes(), "okapi/d.jxl": b"JPEG XL"})
    with pytest.warns(UserWarning, match=r"d\.jxl"):
        photos = load_image_folder(root)
    assert names(photos.unreadable, root) == ["okapi/d.jxl"]
    # A plugin registers a format and its suffixes.
    monkeypatch.setitem(Image.OPEN, "NEW", (None, None))
    monkeypatch.setitem(Image.EXTENSION, ".new", "NEW")
    write_folder(root, {"okapi/e.new": image_bytes(), "okapi/f.old": image_bytes()})
    with pytest.warns(UserWarning, match=r"d\.jxl"):
        assert load_image_folder(root).counts == {"okapi": 4, "zebra": 1}


@pytest.mark.parametrize("check", ["header", None])
def test_named_pipes_in_a_folder_are_ignored(root, make_pipe, check):
    make_pipe(root / "okapi/pipe.png")
    assert load_image_folder(root, check=check).counts == {"okapi": 2, "zebra": 1}


def test_named_pipes_in_a_table_are_unreadable(root, make_pipe):
    make_pipe(root / "okapi/pipe.png")
    (root / "photos.csv").write_text("path,label\nokapi/pipe.png,okapi\nokapi/b.png,okapi\n")
    with pytest.warns(UserWarning, match=r"pipe\.png"):
        assert load_image_table(root / "photos.csv").counts == {"okapi": 1}


def test_hidden_files_and_other_files_are_ignored(root):
    hidden = (".cache/1.png", "okapi/.thumbnails/1.png", "okapi/._b.png", "__MACOSX/okapi/b.png")
    write_folder(root, dict.fromkeys(hidden, image_bytes()))
    write_folder(root, {"okapi/notes.txt": b"seen at dawn"})
    assert load_image_folder(root).counts == {"okapi": 2, "zebra": 1}


def test_links_are_followed(root, tmp_path):
    elsewhere = write_folder(tmp_path / "elsewhere", {"1.png": image_bytes()})
    (root / "emu").symlink_to(elsewhere, target_is_directory=True)
    (root / "zebra/2.jpg").symlink_to(root / "zebra/1.JPG")
    assert load_image_folder(root).counts == {"emu": 1, "okapi": 2, "zebra": 2}


def test_unreadable_files_are_left_out_and_listed(root):
    write_folder(root, {"okapi/page.jpg": b"<html>404</html>", "zebra/empty.png": b""})
    (root / "zebra/gone.png").symlink_to(root / "nowhere.png")
    with pytest.warns(UserWarning, match=r"page\.jpg.*empty\.png") as caught:
        photos = load_image_folder(root)
    assert caught[0].filename == __file__
    assert names(photos.unreadable, root) == ["okapi/page.jpg", "zebra/empty.png", "zebra/gone.png"]
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_a_check_of_the_pixels_finds_truncated_photos(root):
    whole = image_bytes(size=64, image_format="jpeg")
    write_folder(root, {"zebra/2.jpg": whole[:-20]})
    assert load_image_folder(root).counts == {"okapi": 2, "zebra": 2}
    with pytest.warns(UserWarning, match=r"2\.jpg"):
        photos = load_image_folder(root, check="pixels")
    assert names(photos.unreadable, root) == ["zebra/2.jpg"]
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_no_check_keeps_every_file(root):
    write_folder(root, {"okapi/page.jpg": b"<html>404</html>"})
    photos = load_image_folder(root, check=None)
    assert photos.counts == {"okapi": 3, "zebra": 1}
    assert photos.unreadable == []


def test_a_class_without_photos_is_left_out_with_a_warning(root):
    write_folder(root, {"quagga/1.nef": b"a format without support"})
    with pytest.warns(UserWarning, match="'quagga'") as caught:
        photos = load_image_folder(root)
    assert caught[0].filename == __file__
    assert photos.target_names.tolist() == ["okapi", "zebra"]


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_an_empty_class_folder_gives_a_warning(root, tmp_path, form):
    write_folder(root, {"quagga/.DS_Store": b"hidden"})
    (root / "tarpan/more").mkdir(parents=True)
    (root / "zebra/more").mkdir()
    source = root if form == "folder" else shutil.make_archive(tmp_path / "all", form, root)
    with pytest.warns(UserWarning, match="2 of 4 class folders.*'quagga', 'tarpan'"):
        assert load_image_folder(source).counts == {"okapi": 2, "zebra": 1}


def test_photos_outside_of_the_class_folders_are_left_out_with_a_warning(root, tmp_path):
    write_folder(root, {"cover.png": image_bytes(), "notes.txt": b"no photo"})
    with pytest.warns(UserWarning, match=r"'cover\.png'\.$") as caught:
        assert load_image_folder(root).counts == {"okapi": 2, "zebra": 1}
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"'photos/cover\.png'\.$"):
        assert load_image_folder(tmp_path).counts == {"okapi": 2, "zebra": 1}


@pytest.mark.parametrize("name", [".", "/", ""])
def test_a_tar_file_may_have_a_file_without_a_name(root, tmp_path, name):
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(root, ".")
        tar.addfile(tarfile.TarInfo(name))
    assert load_image_folder(tmp_path / "all.tar").counts == {"okapi": 2, "zebra": 1}


def test_an_empty_folder_beside_the_class_folders_changes_nothing(root, tmp_path):
    (tmp_path / "notes").mkdir()  # `root` is another folder of tmp_path.
    assert load_image_folder(tmp_path).counts == {"okapi": 2, "zebra": 1}
    assert load_image_folder(tmp_path, folder=root.name).counts == {"okapi": 2, "zebra": 1}


def test_links_to_a_folder_above_them_are_not_followed(root):
    (root / "okapi/all").symlink_to(root, target_is_directory=True)
    (root / "okapi/more/stripes").symlink_to(root / "zebra", target_is_directory=True)
    (root / "zebra/spots").symlink_to(root / "okapi", target_is_directory=True)
    # okapi lists its own 2 photos and that of zebra; zebra its own and the 2 of okapi.
    assert load_image_folder(root).counts == {"okapi": 3, "zebra": 3}


def test_single_folders_above_the_classes_are_skipped(root, tmp_path):
    shutil.copytree(root, tmp_path / "top/photos/animals")
    assert load_image_folder(tmp_path / "top").counts == {"okapi": 2, "zebra": 1}


def test_a_single_class_keeps_its_name(tmp_path):
    write_folder(tmp_path, {"okapi/photos/1.png": image_bytes()})
    assert load_image_folder(tmp_path).counts == {"okapi": 1}


SUBSETS = ("set/train/okapi/1.png", "set/train/zebra/images/1.png", "set/val/okapi/2.png")


@pytest.mark.parametrize("folder", ["train", "set/train", Path("train/")])
def test_folder_selects_the_folder_of_the_classes(tmp_path, folder):
    write_folder(tmp_path, dict.fromkeys(SUBSETS, image_bytes()))
    photos = load_image_folder(tmp_path, folder=folder)
    assert names(photos.data, tmp_path) == list(SUBSETS[:2])
    assert photos.target.tolist() == ["okapi", "zebra"]


@pytest.mark.parametrize("folder", ["test", "../set"])
def test_a_missing_folder_names_the_folders_that_exist(tmp_path, folder):
    write_folder(tmp_path, dict.fromkeys(SUBSETS, image_bytes()))
    with pytest.raises(ValueError, match=r"'set/train', 'set/val'"):
        load_image_folder(tmp_path, folder=folder)


def test_subsets_that_are_taken_for_classes_give_a_warning(tmp_path):
    write_folder(tmp_path, dict.fromkeys(SUBSETS, image_bytes()))
    with pytest.warns(UserWarning, match="folder='train'") as caught:
        assert load_image_folder(tmp_path).counts == {"train": 2, "val": 1}
    assert caught[0].filename == __file__
    write_folder(tmp_path, {"set/ship/1.png": image_bytes()})
    assert load_image_folder(tmp_path).counts == {"train": 2, "val": 1, "ship": 1}


def test_a_csv_is_read_as_a_table(root):
    (root / "photos.csv").write_text("path,label\nzebra/1.JPG,horse\n")
    assert load_image_folder(root / "photos.csv").target.tolist() == ["horse"]
    with pytest.raises(ValueError, match="folder='zebra'"):
        load_image_folder(root / "photos.csv", folder="zebra")


def test_a_path_that_is_not_a_folder_is_refused(root):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_image_folder(root / "nowhere")
    with pytest.raises(NotADirectoryError, match="b.png"):
        load_image_folder(root / "okapi/b.png")


@pytest.mark.parametrize(
    "files",
    [{"1.png": image_bytes()}, {"okapi/notes.txt": b"seen at dawn"}, {"train/1.png": b""}],
    ids=["no class folder", "no photo", "no readable photo"],
)
@pytest.mark.filterwarnings("ignore:1 of 1 files")
def test_a_folder_without_classes_or_photos_is_refused(tmp_path, files):
    with pytest.raises(ValueError, match=tmp_path.name):
        load_image_folder(write_folder(tmp_path, files))


def test_photos_as_a_tuple_and_as_a_frame(root):
    photos = load_image_folder(root)
    X, y = load_image_folder(root, return_X_y=True)
    assert_array_equal(X, photos.data)
    assert_array_equal(y, photos.target)
    framed = load_image_folder(root, as_frame=True)
    assert framed.frame.columns.tolist() == ["path", "target"]
    assert_array_equal(framed.data, X)
    assert_array_equal(framed.target, y)
