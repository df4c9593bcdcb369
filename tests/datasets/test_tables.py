import tarfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from skdevise.datasets import load_image_folder, load_image_table


@pytest.fixture
def root(tmp_path):
    """Three photos in two folders."""
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    return tmp_path


def write_csv(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_photos_come_in_the_order_of_the_rows(root):
    table = write_csv(root / "t.csv", "path,label\nb/3.png,okapi\na/1.png,zebra\na/2.png,okapi\n")
    photos = load_image_table(table)
    assert photos.data.tolist() == [str(root / name) for name in ("b/3.png", "a/1.png", "a/2.png")]
    assert photos.target.tolist() == ["okapi", "zebra", "okapi"]
    assert photos.target_names.tolist() == ["okapi", "zebra"]
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert photos.DESCR == (
        f"3 photos of 2 labels named by {str(table)!r}; 0 unreadable files left out."
    )


def test_labels_stay_as_they_are_written(root):
    text = '\ufefffile, what ,more\na/1.png,NA,\na/2.png, 007,x\nb/3.png,"horse, wild",x\n'
    table = write_csv(root / "t.csv", text)
    X, y = load_image_table(table, path_column="file", label_column="what ", return_X_y=True)
    assert y.tolist() == ["NA", "007", "horse, wild"]
    assert len(X) == 3


def test_root_is_where_paths_begin(root, tmp_path_factory, monkeypatch):
    table = write_csv(tmp_path_factory.mktemp("elsewhere") / "t.csv", "path,label\n3.png,okapi\n")
    assert load_image_table(table, root=root / "b").data.tolist() == [str(root / "b/3.png")]
    absolute = write_csv(table, f"path,label\n{root}/a/1.png,okapi\n")
    assert load_image_table(absolute).data.tolist() == [str(root / "a/1.png")]
    monkeypatch.chdir(root / "b")
    frame = pd.DataFrame({"path": ["3.png", Path("../a/1.png")], "label": ["okapi", "zebra"]})
    assert load_image_table(frame).data.tolist() == ["3.png", "../a/1.png"]


def test_photos_in_an_archive(root):
    with tarfile.open(root / "photos.tar", "w") as archive:
        archive.add(root / "a", "set/a")
    table = write_csv(root / "t.csv", "path,label\nset/a/2.png,okapi\n./set/a/1.png,zebra\n")
    photos = load_image_table(table, root=root / "photos.tar")
    assert [photo.member for photo in photos.data] == ["set/a/2.png", "set/a/1.png"]
    missing = write_csv(root / "t.csv", "path,label\na/2.png,okapi\n")
    with pytest.raises(FileNotFoundError, match="1 of 1 photo .* not exist in .*photos.tar': 'a/2"):
        load_image_table(missing, root=root / "photos.tar")


@pytest.mark.parametrize("archived", [False, True])
def test_a_frame_of_photos_is_read_again(root, archived):
    with tarfile.open(root / "photos.tar", "w") as archive:
        archive.add(root / "a", "a")
        archive.add(root / "b", "b")
    photos = load_image_folder(root / "photos.tar" if archived else root, as_frame=True)
    again = load_image_table(photos.frame[::2], label_column="target", as_frame=True)
    assert again.frame.to_numpy().tolist() == photos.frame[::2].to_numpy().tolist()


def test_numbers_may_be_labels_of_a_frame(root):
    frame = pd.DataFrame({"path": [str(root / "a/1.png"), str(root / "a/2.png")], "label": [7, 3]})
    photos = load_image_table(frame)
    assert photos.target.tolist() == [7, 3]
    assert photos.counts == {3: 1, 7: 1}


def test_missing_photos_are_counted_and_the_first_named(root):
    rows = "".join(f"gone/{i}.png,okapi\n" for i in range(5))
    table = write_csv(root / "t.csv", f"path,label\na/1.png,okapi\n{rows}")
    with pytest.raises(FileNotFoundError) as raised:
        load_image_table(table)
    assert str(raised.value) == (
        f"5 of 6 photos that {str(table)!r} names do not exist in {str(root)!r}: 'gone/0.png', "
        "'gone/1.png', 'gone/2.png' and 2 more. Pass the folder or archive that holds them as "
        "root, or leave them out."
    )


def test_what_is_not_an_image_is_left_out_with_a_warning(root):
    (root / "a/page.png").write_text("<html>")
    table = write_csv(root / "t.csv", "path,label\na/page.png,okapi\na/1.png,zebra\n")
    with pytest.warns(UserWarning, match="1 file under .*page.png") as seen:
        photos = load_image_table(table)
    assert seen[0].filename == __file__
    assert photos.target.tolist() == ["zebra"]
    assert photos.unreadable == [str(root / "a/page.png")]
    only = write_csv(root / "t.csv", "path,label\na/page.png,okapi\n")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="None of the 1 file .* is an"):
        load_image_table(only)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;label\n1;2\n", "no column 'path' and no column 'label', but 'path;label': say"),
        ("path,class\n1,2\n", "no column 'label', but 'path', 'class': say by path_column"),
        ("", "no column 'path' and no column 'label', but none at all"),
        ("path,label\n", "has no row"),
        ("path,label\na/1.png,\na/2.png\n,okapi\n", "3 rows of .* the first is row 1: fill"),
        ('path,label\n"a/1.png,okapi\n', "is not a CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read(root, text, message):
    with pytest.raises(ValueError, match=message):
        load_image_table(write_csv(root / "t.csv", text))


def test_a_table_of_another_encoding(root):
    (root / "t.csv").write_bytes("path,label\na/1.png,Löwe\n".encode("latin-1"))
    with pytest.raises(ValueError, match="is not a CSV in UTF-8"):
        load_image_table(root / "t.csv")


def test_a_frame_with_gaps_or_other_columns(root):
    frame = pd.DataFrame({"path": ["a/1.png", "a/2.png"], "label": ["okapi", None]})
    with pytest.raises(ValueError, match="1 row of the DataFrame .* the first is row 2"):
        load_image_table(frame, root=root)
    with pytest.raises(
        ValueError, match="the DataFrame has no column 'target', but 'path', 'label'"
    ):
        load_image_table(frame, label_column="target")


def test_what_is_no_table(root):
    with pytest.raises(TypeError, match="table is a list: give a CSV's path or a DataFrame"):
        load_image_table([("a/1.png", "okapi")])
    with pytest.raises(FileNotFoundError, match="There is no table '.*gone.csv'"):
        load_image_table(root / "gone.csv")
    table = write_csv(root / "t.csv", "path,label\na/1.png,okapi\n")
    with pytest.raises(FileNotFoundError, match="There is no folder or archive '.*gone'"):
        load_image_table(table, root=root / "gone")
