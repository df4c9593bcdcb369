import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from skdevise.datasets import load_image_folder


def save_photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), "teal").save(path)


@pytest.fixture
def root(tmp_path):
    """Two classes; three photos in all, one of them in a folder of its class's folder."""
    for name in ("zebra/1.JPG", "okapi/b.png", "okapi/more/a.webp"):
        save_photo(tmp_path / name)
    return tmp_path


def relative(paths, root):
    return [Path(path).relative_to(root).as_posix() for path in paths]


def test_lists_photos_by_class(root):
    photos = load_image_folder(root)
    assert relative(photos.data, root) == ["okapi/b.png", "okapi/more/a.webp", "zebra/1.JPG"]
    assert photos.target.tolist() == ["okapi", "okapi", "zebra"]
    assert photos.target_names.tolist() == ["okapi", "zebra"]
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.unreadable == []
    assert photos.frame is None
    assert photos.DESCR == f"3 photos of 2 labels in '{root}'; 0 unreadable files left out."


def test_root_may_be_a_string(root):
    assert_array_equal(load_image_folder(str(root)).data, load_image_folder(root).data)


def test_skips_hidden_names_and_other_files(root):
    save_photo(root / ".cache/1.png")
    save_photo(root / "okapi/.thumbnails/1.png")
    shutil.copy(root / "okapi/b.png", root / "okapi/._b.png")
    (root / "okapi/notes.txt").write_text("seen at dawn")
    save_photo(root / "cover.png")
    assert load_image_folder(root).counts == {"okapi": 2, "zebra": 1}


def test_follows_links_but_not_in_circles(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save_photo(elsewhere / "1.png")
    (root / "emu").symlink_to(elsewhere, target_is_directory=True)
    (root / "zebra/2.jpg").symlink_to(root / "zebra/1.JPG")
    (root / "zebra/loop").symlink_to(root / "zebra", target_is_directory=True)
    assert load_image_folder(root).counts == {"emu": 1, "okapi": 2, "zebra": 2}


def test_a_link_to_itself_is_left_out(root):
    (root / "zebra/self.png").symlink_to(root / "zebra/self.png")
    with pytest.warns(UserWarning, match="1 file under .*self.png"):
        assert load_image_folder(root).counts == {"okapi": 2, "zebra": 1}


def test_leaves_out_what_is_not_an_image_and_says_so(root):
    (root / "okapi/page.jpg").write_text("<html>404</html>")
    (root / "zebra/empty.png").touch()
    (root / "zebra/gone.png").symlink_to(root / "nowhere.png")
    with pytest.warns(UserWarning, match="3 files under .* left out: .*page.jpg.*empty.png"):
        photos = load_image_folder(root)
    names = ["okapi/page.jpg", "zebra/empty.png", "zebra/gone.png"]
    assert relative(photos.unreadable, root) == names
    assert photos.counts == {"okapi": 2, "zebra": 1}


def test_names_only_the_first_unreadable_files(root):
    for i in range(5):
        (root / f"okapi/{i}.jpg").touch()
    with pytest.warns(UserWarning, match=r"5 files .*2\.jpg' and 2 more\."):
        assert len(load_image_folder(root).unreadable) == 5


def test_leaves_out_a_class_without_photo_and_says_so(root):
    (root / "quagga").mkdir()
    with pytest.warns(UserWarning, match="1 class folder of .* left out: 'quagga'") as seen:
        photos = load_image_folder(root)
    assert seen[0].filename == __file__
    assert photos.target_names.tolist() == ["okapi", "zebra"]


def test_decodes_nothing(root, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert len(load_image_folder(root).data) == 3


def test_missing_root(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder '.*nowhere'"):
        load_image_folder(tmp_path / "nowhere")


def test_root_is_a_file(root):
    with pytest.raises(NotADirectoryError, match="b.png' is a file; pass the folder"):
        load_image_folder(root / "okapi/b.png")


def test_root_without_class_folders(tmp_path):
    save_photo(tmp_path / "1.png")
    with pytest.raises(ValueError, match="no sub-folder; put the photos of each class into"):
        load_image_folder(tmp_path)


def test_class_folders_without_images(tmp_path):
    (tmp_path / "okapi").mkdir()
    with pytest.raises(ValueError, match="No readable image in the 1 class folder of"):
        load_image_folder(tmp_path)


def test_a_single_folder_above_the_classes_is_looked_through(root, tmp_path_factory):
    top = tmp_path_factory.mktemp("top")
    shutil.copytree(root, top / "photos/animals")
    save_photo(top / "photos/cover.png")
    (top / "__MACOSX").mkdir()
    assert load_image_folder(top).counts == {"okapi": 2, "zebra": 1}


def test_a_single_class_keeps_its_name(tmp_path):
    save_photo(tmp_path / "okapi/photos/1.png")
    assert load_image_folder(tmp_path).counts == {"okapi": 1}


def test_a_folder_in_the_root_is_chosen(tmp_path):
    for name in ("train/okapi/1.png", "train/zebra/images/1.png", "val/okapi/2.png"):
        save_photo(tmp_path / "set" / name)
    for folder in ("train", "set/train", Path("train/")):
        photos = load_image_folder(tmp_path, folder=folder)
        assert relative(photos.data, tmp_path / "set") == [
            "train/okapi/1.png",
            "train/zebra/images/1.png",
        ]
        assert photos.target.tolist() == ["okapi", "zebra"]
    assert load_image_folder(tmp_path / "set", folder="val").counts == {"okapi": 1}


def test_a_folder_that_is_not_there(tmp_path):
    save_photo(tmp_path / "set/train/okapi/1.png")
    save_photo(tmp_path / "set/val/okapi/1.png")
    with pytest.raises(ValueError, match="no folder 'test'; .*: 'set/train', 'set/val'"):
        load_image_folder(tmp_path, folder="test")
    with pytest.raises(ValueError, match="no folder '../train'"):
        load_image_folder(tmp_path / "set/val", folder="../train")


def test_a_folder_without_class_folders(tmp_path):
    save_photo(tmp_path / "train/1.png")
    with pytest.raises(ValueError, match="train' has no sub-folder"):
        load_image_folder(tmp_path, folder="train")


def test_the_parts_of_a_set_are_no_classes(tmp_path):
    save_photo(tmp_path / "train/okapi/1.png")
    save_photo(tmp_path / "val/okapi/1.png")
    with pytest.warns(
        UserWarning, match="look like the parts of a set: 'train', 'val'. Pass"
    ) as seen:
        assert load_image_folder(tmp_path).counts == {"train": 1, "val": 1}
    assert seen[0].filename == __file__
    save_photo(tmp_path / "ship/1.png")
    assert len(load_image_folder(tmp_path).counts) == 3


def test_a_csv_is_read_as_a_table(root):
    (root / "photos.csv").write_text("path,label\nzebra/1.JPG,horse\n")
    photos = load_image_folder(root / "photos.csv")
    assert photos.target.tolist() == ["horse"]
    with pytest.raises(ValueError, match="folder='zebra' does not go with a table"):
        load_image_folder(root / "photos.csv", folder="zebra")


def test_pair_and_frame(root):
    pytest.importorskip("pandas")
    photos = load_image_folder(root)
    X, y = load_image_folder(root, return_X_y=True)
    assert_array_equal(X, photos.data)
    assert_array_equal(y, photos.target)
    framed = load_image_folder(root, as_frame=True)
    assert framed.frame.columns.tolist() == ["path", "target"]
    assert np.array_equal(framed.data, X)
    assert np.array_equal(framed.target, y)
