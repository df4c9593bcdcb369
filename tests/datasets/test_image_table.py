from pathlib import Path

import pandas as pd
import pytest

from skdevise.datasets import load_image_folder, load_image_table

from ._photos import image_bytes, write_folder, write_tar

NAMES = ("a/1.png", "a/2.png", "b/3.png")


@pytest.fixture
def root(tmp_path):
    """Three photos in two folders."""
    return write_folder(tmp_path, dict.fromkeys(NAMES, image_bytes()))


@pytest.fixture
def write_csv(root):
    def write(text):
        path = root / "photos.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_photos_keep_the_order_of_the_rows(root, write_csv):
    photos = load_image_table(
        write_csv("path,label\nb/3.png,okapi\na/1.png,zebra\na/2.png,okapi\n")
    )
    assert photos.data.tolist() == [str(root / name) for name in ("b/3.png", "a/1.png", "a/2.png")]
    assert photos.target.tolist() == ["okapi", "zebra", "okapi"]
    assert photos.target_names.tolist() == ["okapi", "zebra"]
    assert photos.counts == {"okapi": 2, "zebra": 1}
    assert "3 photos of 2 labels" in photos.DESCR


def test_labels_of_a_csv_stay_text(write_csv):
    text = '\ufefffile, animal ,more\na/1.png,NA,\na/2.png, 007,x\nb/3.png,"horse, wild",x\n'
    X, y = load_image_table(
        write_csv(text), path_column="file", label_column="animal", return_X_y=True
    )
    assert y.tolist() == ["NA", "007", "horse, wild"]
    assert len(X) == 3


def test_blanks_around_the_labels_of_a_csv_do_not_count(write_csv):
    table = write_csv("path,label\na/1.png, okapi \na/2.png ,okapi\nb/3.png,zebra\n")
    assert load_image_table(table).counts == {"okapi": 2, "zebra": 1}


def test_labels_that_differ_only_in_case_are_named(write_csv):
    table = write_csv("path,label\na/1.png,Grey wolf\na/2.png,grey_wolf\nb/3.png,zebra\n")
    with pytest.warns(UserWarning, match="'Grey wolf', 'grey_wolf'"):
        photos = load_image_table(table)
    assert photos.counts == {"Grey wolf": 1, "grey_wolf": 1, "zebra": 1}


def test_labels_that_look_the_same_are_named_with_the_remedy(write_csv):
    # "é" is one character, or "e" and an accent.
    table = write_csv("path,label\na/1.png,caf\u00e9\na/2.png,cafe\u0301\nb/3.png,zebra\n")
    with pytest.warns(UserWarning, match="caf.*NFC"):
        photos = load_image_table(table)
    assert photos.target_names.size == 3


@pytest.mark.parametrize(
    "header",
    ["path;label", "path;label;Größe, cm", '"path";"label"', 'path;label;"weight, height, width"'],
)
def test_semicolons_may_separate_the_columns_of_a_csv(root, write_csv, header):
    X, y = load_image_table(
        write_csv(f"{header}\na/1.png;okapi, wild\nb/3.png; zebra\n"), return_X_y=True
    )
    assert X.tolist() == [str(root / "a/1.png"), str(root / "b/3.png")]
    assert y.tolist() == ["okapi, wild", "zebra"]


def test_quoted_semicolons_do_not_separate_columns(root, write_csv):
    table = write_csv('path,label,"city; land; sea; air"\na/1.png,okapi,x\nb/3.png,zebra,y\n')
    assert load_image_table(table).target.tolist() == ["okapi", "zebra"]


def test_relative_paths_start_from_root(root, write_csv, monkeypatch):
    table = write_csv("path,label\n3.png,okapi\n")
    assert load_image_table(table, root=root / "b").data.tolist() == [str(root / "b/3.png")]
    absolute = write_csv(f"path,label\n{root}/a/1.png,okapi\n")
    assert load_image_table(absolute, root="/nowhere").data.tolist() == [str(root / "a/1.png")]
    monkeypatch.chdir(root / "b")
    frame = pd.DataFrame({"path": ["3.png", Path("../a/1.png")], "label": ["okapi", "zebra"]})
    assert load_image_table(frame).data.tolist() == ["3.png", "../a/1.png"]


def test_root_can_be_an_archive(root, write_csv):
    contents = {"set/a/1.png": image_bytes("red"), "set/a/2.png": image_bytes("lime")}
    archive = write_tar(root / "photos.tar", contents)
    table = write_csv("path,label\nset/a/2.png,okapi\n./set/a/1.png,zebra\n")
    photos = load_image_table(table, root=archive)
    assert [photo.open().read() for photo in photos.data] == [
        image_bytes("lime"),
        image_bytes("red"),
    ]
    with pytest.raises(FileNotFoundError, match="'a/2.png'"):
        load_image_table(write_csv("path,label\na/2.png,okapi\n"), root=archive)


@pytest.mark.parametrize("archived", [False, True])
def test_the_frame_of_a_folder_can_be_read_again(root, archived):
    source = (
        write_tar(root / "photos.tar", dict.fromkeys(NAMES, image_bytes())) if archived else root
    )
    frame = load_image_folder(source, as_frame=True).frame[::2]
    again = load_image_table(frame, label_column="target", as_frame=True)
    assert again.frame.to_numpy().tolist() == frame.to_numpy().tolist()


def test_labels_of_a_frame_can_be_numbers(root):
    frame = pd.DataFrame({"path": ["a/1.png", "a/2.png"], "label": [7, 3]})
    photos = load_image_table(frame, root=root)
    assert photos.target.tolist() == [7, 3]
    assert photos.counts == {3: 1, 7: 1}


def test_paths_can_be_numbers_or_labels(root):
    (root / "7").write_bytes(image_bytes())
    photos = load_image_table(pd.DataFrame({"path": [7], "label": ["okapi"]}), root=root)
    assert photos.data.tolist() == [str(root / "7")]
    archive = write_tar(root / "photos.tar", {"8.png": image_bytes()})
    with pytest.raises(FileNotFoundError, match="'7'"):
        load_image_table(pd.DataFrame({"path": [7], "label": ["okapi"]}), root=archive)
    table = pd.DataFrame({"path": NAMES})
    assert load_image_table(table, label_column="path", root=root).target.tolist() == list(NAMES)


def test_missing_photos_are_counted_and_the_first_are_named(write_csv):
    rows = "".join(f"gone/{i}.png,okapi\n" for i in range(5))
    with pytest.raises(FileNotFoundError, match=r"5 of 6 .*'gone/0.png', .*2 more"):
        load_image_table(write_csv(f"path,label\na/1.png,okapi\n{rows}"))


def test_unreadable_files_are_left_out_and_listed(root, write_csv):
    write_folder(root, {"a/page.png": b"<html>"})
    with pytest.warns(UserWarning, match=r"page\.png") as caught:
        photos = load_image_table(write_csv("path,label\na/page.png,okapi\na/1.png,zebra\n"))
    assert caught[0].filename == __file__
    assert photos.target.tolist() == ["zebra"]
    assert photos.unreadable == [str(root / "a/page.png")]
    page = write_csv("path,label\na/page.png,okapi\n")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="page.png"):
        load_image_table(page)
    assert load_image_table(page, check=None).counts == {"okapi": 1}


@pytest.mark.parametrize(
    "text",
    [
        "path|label\n1|2\n",
        "path,class\n1,2\n",
        "",
        "path,label\n",
        "path,label\na/1.png,\n",
        "path,label\na/2.png\n",
        "path,label\n,okapi\n",
        'path,label\n"a/1.png,okapi\n',
    ],
)
def test_a_table_without_paths_and_labels_is_refused(write_csv, text):
    with pytest.raises(ValueError, match=r"\.csv"):
        load_image_table(write_csv(text))


def test_a_table_in_another_encoding_is_refused(root):
    (root / "t.csv").write_bytes("path,label\na/1.png,Löwe\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"t\.csv.*utf-8"):
        load_image_table(root / "t.csv")


def test_a_frame_without_a_label_or_a_column_is_refused(root):
    frame = pd.DataFrame({"path": ["a/1.png", "a/2.png"], "label": ["okapi", None]})
    with pytest.raises(ValueError, match="2 rows, and 1 of them"):
        load_image_table(frame, root=root)
    with pytest.raises(ValueError, match="no rows"):
        load_image_table(frame[:0], root=root)
    with pytest.raises(ValueError, match="'target'"):
        load_image_table(frame, label_column="target")


def test_a_frame_keeps_its_index(root):
    write_folder(root, {"a/page.png": b"<html>"})
    paths = ["b/3.png", "a/page.png", "a/1.png"]
    table = pd.DataFrame({"path": paths, "label": list("xyz")}, index=["A7", "A8", "A9"])
    with pytest.warns(UserWarning, match=r"page\.png"):
        photos = load_image_table(table, root=root, as_frame=True)
    for column in (photos.frame, photos.data, photos.target):
        assert column.index.tolist() == ["A7", "A9"]
    with pytest.raises(ValueError, match="'A8'"):
        load_image_table(table.assign(label=["x", None, "z"]), root=root)


def test_the_index_of_a_csv_counts_its_rows_as_pandas_does(root, write_csv):
    write_folder(root, {"a/page.png": b"<html>"})
    table = write_csv("path,label\nb/3.png,x\na/page.png,y\na/1.png,z\n")
    with pytest.warns(UserWarning, match=r"page\.png"):
        frame = load_image_table(table, as_frame=True).frame
    assert pd.read_csv(table).loc[frame.index, "label"].tolist() == frame["target"].tolist()


def test_other_types_and_missing_files_are_refused(root, write_csv):
    with pytest.raises(TypeError, match="list"):
        load_image_table([("a/1.png", "okapi")])
    with pytest.raises(FileNotFoundError, match="gone.csv"):
        load_image_table(root / "gone.csv")
    with pytest.raises(FileNotFoundError, match="gone"):
        load_image_table(write_csv("path,label\na/1.png,okapi\n"), root=root / "gone")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_table_of_another_library_is_read(root, library):
    module = pytest.importorskip(library, reason=f"{library} is not installed.")
    make_table = getattr(module, "DataFrame", None) or module.table
    columns = {"path": ["a/1.png", "a/2.png"], "label": ["okapi", "zebra"], "id": [3, None]}
    photos = load_image_table(make_table(columns), root=root)
    assert photos.target.tolist() == ["okapi", "zebra"]
    columns["label"][1] = None
    with pytest.raises(ValueError, match="1 of them"):
        load_image_table(make_table(columns), root=root)
