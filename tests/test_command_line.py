import csv
import io
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

import skdevise
from skdevise import LabelVocabulary
from skdevise._command_line import main
from skdevise.exceptions import LabelWithoutVectorError
from skdevise.vision._photos import Photos

COLOURS = ("red", "green", "blue")


class ColourClassifier:
    """The probability of a colour is its share of the light of a photo."""

    reject_below = None
    unknown_label = "unknown"

    def predict_proba(self, X, labels):
        photos = Photos(X)
        light = np.array([photos.pixels(row).sum(axis=(1, 2)) for row in range(len(photos))])
        if unknown := sorted(set(labels) - set(COLOURS)):
            raise LabelWithoutVectorError(unknown, len(labels))
        share = light / light.sum(axis=1, keepdims=True)
        return share[:, [COLOURS.index(label) for label in labels]]

    predict_confidence = predict_proba


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder. It holds a red, a blue and a dark photo, and a text."""
    monkeypatch.chdir(tmp_path)
    os.makedirs("more/.cache")
    Image.new("RGB", (4, 4), (255, 0, 0)).save("red.png")
    Image.new("RGB", (4, 4), (0, 50, 150)).save("more/blue.JPG", quality=100, subsampling=0)
    Image.new("RGB", (4, 4), (60, 70, 70)).save("more/dark.png")
    Image.new("RGB", (4, 4)).save("more/.cache/hidden.png")
    (tmp_path / "notes.txt").write_text("seen at dawn")
    return tmp_path


def run(*arguments, labels="red, green,blue", classifier=None):
    return main(
        ["classify", *arguments, "--labels", labels], classifier=classifier or ColourClassifier()
    )


def rows(text):
    return [(row["photo"], row["label"]) for row in csv.DictReader(io.StringIO(text))]


def test_the_best_labels_stand_in_aligned_columns(folder, capsys):
    assert run("red.png", "more/dark.png", "--top=2") == 0
    done = capsys.readouterr()
    # The dark photo has the light 60 + 70 + 70, and its two best labels are equal.
    assert done.out.splitlines() == [
        "red.png        red    1.000",
        "               green  0.000",
        "more/dark.png  green  0.350",
        "               blue   0.350",
    ]
    assert done.err == ""


def test_a_csv_table_has_one_line_for_each_answer(folder, capsys):
    assert run("more/dark.png", "--csv", "--top=5") == 0
    assert capsys.readouterr().out.splitlines() == [
        "photo,rank,label,probability",
        "more/dark.png,1,green,0.350000",
        "more/dark.png,2,blue,0.350000",
        "more/dark.png,3,red,0.300000",
    ]


@pytest.mark.parametrize(
    "names",
    [
        [os.curdir],
        ["red.png", "more"],
        ["*.png", "more/*"],
        ["**/*.[pJ]*"],
        ["all.zip"],
        ["all.tar"],
    ],
    ids=str,
)
def test_folders_archives_and_patterns_are_searched_for_photos(folder, capsys, names):
    for form in ("zip", "tar"):
        shutil.make_archive("all", form, folder, os.curdir)
    assert run("--csv", *names) == 0
    found = {
        os.path.basename(name.partition("::")[0]): x for name, x in rows(capsys.readouterr().out)
    }
    assert found == {"red.png": "red", "blue.JPG": "blue", "dark.png": "green"}


def test_labels_of_a_file(folder, capsys):
    (folder / "names.txt").write_text("\ufeffblue\n\n red \nblue\n", encoding="utf-8")
    assert run("red.png", "--csv", "--top=9", labels="names.txt") == 0
    assert [label for _, label in rows(capsys.readouterr().out)] == ["red", "blue"]


def test_labels_of_a_vocabulary(folder, capsys):
    class ByTerm(ColourClassifier):
        def predict_proba(self, X, labels):
            return super().predict_proba(X, [terms[0] for terms in labels.terms])

    vocabulary = LabelVocabulary({"größer": "blue", 7: "red", "grün": ["green", "lime"]})
    vocabulary.save("colours.json")
    assert run("red.png", "--csv", "--top=2", labels="colours.json", classifier=ByTerm()) == 0
    assert [label for _, label in rows(capsys.readouterr().out)] == ["7", "größer"]
    assert run("red.png", labels="colours.json", classifier=ByTerm()) == 0
    assert capsys.readouterr().out.split() == ["red.png", "7", "1.000"]


def test_a_single_label_is_the_answer_to_every_photo(folder, capsys):
    (folder / "names.txt").write_text("blue; red", encoding="utf-8")
    run("red.png", labels="names.txt", classifier=ColourClassifier())
    assert "'blue; red'" in capsys.readouterr().err
    assert run("red.png", "--reject-below=0.5", labels="blue,") == 0
    assert capsys.readouterr().err == ""


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.strip() == skdevise.__version__


def test_unreadable_photos_are_reported_and_the_others_are_answered(folder, capsys):
    (folder / "page.jpg").write_bytes(b"<html>404</html>")
    names = ["red.png"] * 40 + ["page.jpg", "more/blue.JPG", "gone.png"]
    assert run("--csv", *names) == 1
    done = capsys.readouterr()
    assert rows(done.out) == [("red.png", "red")] * 40 + [("more/blue.JPG", "blue")]
    page, gone, count = done.err.splitlines()
    assert "page.jpg" in page and "gone.png" in gone and "2 of 43" in count


def test_improbable_answers_are_rejected(folder, capsys):
    assert run("red.png", "more/dark.png", "--top=2", "--reject-below=0.36") == 0
    assert capsys.readouterr().out.splitlines() == [
        "red.png        red      1.000",
        "               green    0.000",
        "more/dark.png  unknown",
    ]
    classifier = ColourClassifier()
    classifier.reject_below, classifier.unknown_label = 0.36, "none"
    assert run("more/dark.png", "--csv", classifier=classifier) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["more/dark.png,1,none,"]
    assert run("more/dark.png", "--csv", "--reject-below=0.35", classifier=classifier) == 0
    assert rows(capsys.readouterr().out) == [("more/dark.png", "green")]


def test_long_names_fit_into_80_characters(folder, capsys):
    class Same:
        reject_below = None

        def predict_proba(self, X, labels):
            return np.full((len(X), len(labels)), 1 / len(labels))

    name = "a/" * 50 + "photo.jpg"
    assert run(name, labels=f"{'long ' * 20}, b", classifier=Same()) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) == 80
    assert "/photo.jpg  long" in line and line.endswith("…  0.500")


def test_columns_are_aligned_in_any_script(folder, capsys):
    # A Mac stores "ö" as "o" and an accent, which share a cell. A Japanese letter fills two.
    names = ["Lo\u0308we.png", "ピザ.png", "ab.png"]
    for name in names:
        os.link("red.png", name)
    assert run(*names) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Lo\u0308we.png  red    1.000",
        "ピザ.png  red    1.000",
        "ab.png    red    1.000",
    ]
    os.link("red.png", f"{'ピ' * 60}.png")
    assert run("ピ" * 60 + ".png") == 0
    (line,) = capsys.readouterr().out.splitlines()
    # 80 - 9 - 5 = 66 cells remain for the dots, 30 letters, ".png" and a blank.
    assert line == f"…{'ピ' * 30}.png   red    1.000"


def test_an_output_that_lacks_a_letter_is_an_error_with_a_remedy(folder, capsys, monkeypatch):
    os.link("red.png", "ピザ.png")
    for form in ([], ["--csv"]):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "latin-1"))
        assert run("ピザ.png", *form) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "'ピ'" in line and "latin-1" in line and "PYTHONIOENCODING=utf-8" in line


@pytest.mark.parametrize(
    ("arguments", "labels", "named"),
    [
        (["red.png"], "red", "'red'"),
        (["red.png"], " , ", "' , '"),
        (["red.png"], "latin.txt", "latin.txt"),
        (["red.png"], "latin.json", "latin.json"),
        (["red.png"], "gone.json", "gone.json"),
        (["*.gif"], "red, blue", "*.gif"),
        (["empty"], "red, blue", "empty"),
        (["damaged.zip"], "red, blue", "damaged.zip"),
        (["red.png"], "red, pink", "pink"),
    ],
)
@pytest.mark.parametrize("form", [[], ["--csv"]], ids=str)
def test_an_error_is_one_line_without_a_traceback(folder, capsys, arguments, labels, named, form):
    (folder / "latin.txt").write_bytes("écru".encode("latin-1"))
    (folder / "latin.json").write_bytes("écru".encode("latin-1"))
    (folder / "damaged.zip").write_bytes(b"PK")
    (folder / "empty").mkdir()
    assert run(*arguments, *form, labels=labels) == 2
    done = capsys.readouterr()
    (line,) = done.err.splitlines()
    assert named in line
    assert done.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["classify", "red.png"],
        ["classify", "--labels=a,b"],
        ["classify", "red.png", "--labels=a,b", "--top=0"],
        ["classify", "red.png", "--labels=a,b", "--top=two"],
        ["classify", "red.png", "--labels=a,b", "--reject-below=2"],
        ["classify", "red.png", "--labels=a,b", "--reject-below=nan"],
    ],
    ids=str,
)
def test_wrong_arguments_end_with_status_2(folder, capsys, arguments):
    with pytest.raises(SystemExit) as error:
        main(arguments, classifier=ColourClassifier())
    assert error.value.code == 2


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(folder, capsys):
    class Warner(ColourClassifier):
        def predict_proba(self, X, labels):
            warnings.warn("One label is odd.", stacklevel=2)
            return super().predict_proba(X, labels)

    assert run("red.png", classifier=Warner()) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("One label is odd.")


@pytest.mark.slow
def test_the_command_gives_the_answers_of_the_guide(folder):
    photos = pytest.importorskip("skimage.data")
    names = ["chelsea", "coffee", "rocket"]
    for name in names:
        Image.fromarray(getattr(photos, name)()).save(f"{name}.jpg", quality=90)
    done = subprocess.run(
        [sys.executable, "-m", "skdevise", "classify", *(f"{name}.jpg" for name in names)]
        + ["gone.jpg", "--labels=cat, dog, rocket, cup of coffee", "--csv"],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 1, done.stderr
    answers = ["cat", "cup of coffee", "rocket"]
    assert rows(done.stdout) == [(f"{n}.jpg", a) for n, a in zip(names, answers, strict=True)]
    assert "gone.jpg" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems refuse such names.")
def test_names_of_files_do_not_control_the_terminal(folder, capsys):
    for name in ("a\x1b[31m.png", "b\nred.png", "c\udcff.png"):
        os.link("red.png", name)
    assert run("a*", "b*", "c*", "--top=1") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["a\ufffd[31m.png", "b\ufffdred.png", "c\ufffd.png"]
    assert run("a*", "b*", "--top=1", "--csv") == 0
    assert rows(capsys.readouterr().out)[1] == ("b\nred.png", "red")
