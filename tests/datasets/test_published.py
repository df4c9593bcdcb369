"""Published photo sets. Small files in the published layouts take the place of the downloads."""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision.datasets

from skdevise import datasets

from ._photos import SHARED, image_bytes, write_folder, write_zip

FETCHERS = [name for name in datasets.__all__ if name.startswith("fetch_")]


@pytest.fixture
def local(tmp_path):
    """Arguments that make a fetcher read local files only."""
    return {"data_home": tmp_path, "download_if_missing": False}


def jpegs(*names):
    return dict.fromkeys(names, image_bytes(image_format="jpeg"))


def relative(paths, folder):
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def test_caltech101_leaves_out_the_background(local, tmp_path):
    names = ["Faces/image_0001.jpg", "grand_piano/image_0001.jpg", "grand_piano/image_0002.jpg"]
    folder = tmp_path / "caltech101/101_ObjectCategories"
    write_folder(folder, jpegs(*names, "BACKGROUND_Google/image_0001.jpg"))
    photos = datasets.fetch_caltech101(**local)
    assert relative(photos.data, folder) == names
    assert photos.target.tolist() == ["Faces", "grand_piano", "grand_piano"]
    assert photos.target_names.tolist() == ["Faces", "grand_piano"]
    assert photos.counts == {"Faces": 1, "grand_piano": 2}
    assert "3 photos of 2 labels" in photos.DESCR
    assert "CC BY 4.0" in photos.DESCR


@pytest.mark.parametrize(
    ("name", "folder", "key", "meta_key"),
    [
        ("cifar10", "cifar-10-batches-py", "labels", "label_names"),
        ("cifar100", "cifar-100-python", "fine_labels", "fine_label_names"),
    ],
)
def test_cifar_gives_pixels_and_label_names(
    local, tmp_path, monkeypatch, name, folder, key, meta_key
):
    # The red channel of each photo holds the number of the photo.
    pixels = np.zeros((4, 3, 32, 32), np.uint8)
    pixels[:, 0] = np.arange(4)[:, None, None]
    pixels = pixels.reshape(4, -1)
    files = {
        "train": pickle.dumps({"data": pixels[:3], key: [1, 0, 1]}),
        "test": pickle.dumps({"data": pixels[3:], key: [0]}),
        "meta": pickle.dumps({meta_key: ["apple", "aquarium_fish"]}),
    }
    write_folder(tmp_path / folder, files)
    # torchvision verifies these public lists of files and checksums.
    sums = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    dataset = getattr(torchvision.datasets, name.upper())
    monkeypatch.setattr(dataset, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(dataset, "test_list", [["test", sums["test"]]])
    meta = {"filename": "meta", "key": meta_key, "md5": sums["meta"]}
    monkeypatch.setattr(dataset, "meta", meta)

    fetch = getattr(datasets, f"fetch_{name}")
    photos = fetch(**local)
    assert photos.data.shape == (3, 32, 32, 3)
    assert photos.data.dtype == np.uint8
    assert photos.data[:, 5, 6].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert photos.target.tolist() == ["aquarium_fish", "apple", "aquarium_fish"]
    X, y = fetch(subset="test", return_X_y=True, **local)
    assert X[:, 0, 0, 0].tolist() == [3]
    assert y.tolist() == ["apple"]
    assert fetch(subset="all", **local).counts == {"apple": 2, "aquarium_fish": 2}
    frame = fetch(as_frame=True, **local).frame
    assert frame.columns.tolist() == ["image", "target"]
    assert frame["image"][2].shape == (32, 32, 3)

    write_folder(tmp_path / folder, {"train": b"damaged"})
    with pytest.raises(RuntimeError):
        fetch(**local)


def test_flowers102_names_the_flowers(local, tmp_path):
    folder = tmp_path / "flowers-102"
    write_folder(folder, jpegs(*(f"jpg/image_{number:05d}.jpg" for number in range(1, 7))))
    scipy.io.savemat(folder / "imagelabels.mat", {"labels": [[1, 2, 2, 2, 102, 1]]})
    scipy.io.savemat(
        folder / "setid.mat", {"trnid": [[1, 3]], "valid": [[2, 4]], "tstid": [[5, 6]]}
    )
    train = datasets.fetch_flowers102(**local)
    assert relative(train.data, folder) == ["jpg/image_00001.jpg", "jpg/image_00003.jpg"]
    assert train.target.tolist() == ["pink primrose", "hard-leaved pocket orchid"]
    val = datasets.fetch_flowers102(subset="val", **local)
    assert val.counts == {"hard-leaved pocket orchid": 2}
    test = datasets.fetch_flowers102(subset="test", **local)
    assert test.target.tolist() == ["blackberry lily", "pink primrose"]
    every = datasets.fetch_flowers102(subset="all", **local)
    assert every.data.tolist() == [*train.data, *val.data, *test.data]
    assert all(Path(path).exists() for path in every.data)


def test_food101_reads_the_lists_of_its_subsets(local, tmp_path):
    folder = tmp_path / "food-101"
    write_folder(folder, jpegs("images/apple_pie/1.jpg", "images/waffles/7.jpg"))
    lists = {
        "meta/train.json": {"apple_pie": ["apple_pie/1"], "waffles": []},
        "meta/test.json": {"apple_pie": [], "waffles": ["waffles/7"]},
    }
    write_folder(folder, {name: json.dumps(names).encode() for name, names in lists.items()})
    assert datasets.fetch_food101(**local).target.tolist() == ["apple_pie"]
    X, y = datasets.fetch_food101(subset="all", return_X_y=True, **local)
    assert relative(X, folder) == ["images/apple_pie/1.jpg", "images/waffles/7.jpg"]
    assert y.tolist() == ["apple_pie", "waffles"]


def test_pets_names_the_breeds(local, tmp_path):
    folder = tmp_path / "oxford-iiit-pet"
    names = ("Abyssinian_1", "Abyssinian_2", "great_pyrenees_3", "great_pyrenees_10")
    write_folder(folder, jpegs(*(f"images/{name}.jpg" for name in names)))
    lists = {
        "annotations/trainval.txt": b"Abyssinian_2 1 1 1\ngreat_pyrenees_10 2 2 5\n",
        "annotations/test.txt": b"great_pyrenees_3 2 2 5\nAbyssinian_1 1 1 1\n",
    }
    write_folder(folder, lists)
    photos = datasets.fetch_pets(**local)
    assert relative(photos.data, folder) == [
        "images/Abyssinian_2.jpg",
        "images/great_pyrenees_10.jpg",
    ]
    assert photos.target.tolist() == ["Abyssinian", "Great Pyrenees"]
    test = datasets.fetch_pets(subset="test", **local)
    assert test.target.tolist() == ["Great Pyrenees", "Abyssinian"]


@pytest.mark.parametrize(
    ("name", "dataset", "options"),
    [
        ("food101", "Food101", {"split": "train"}),
        ("pets", "OxfordIIITPet", {"split": "trainval"}),
    ],
)
def test_labels_agree_with_torchvision(local, tmp_path, name, dataset, options):
    layouts = {
        "food101": jpegs("food-101/images/waffles/1.jpg", "food-101/images/apple_pie/2.jpg")
        | {"food-101/meta/train.json": b'{"waffles": ["waffles/1"], "apple_pie": ["apple_pie/2"]}'},
        "pets": jpegs("oxford-iiit-pet/images/Bengal_1.jpg", "oxford-iiit-pet/images/pug_dog_2.jpg")
        | {"oxford-iiit-pet/annotations/trainval.txt": b"Bengal_1 1 1 1\npug_dog_2 2 2 1\n"},
    }
    write_folder(tmp_path, layouts[name])
    reference = getattr(torchvision.datasets, dataset)(tmp_path, **options)
    photos = getattr(datasets, f"fetch_{name}")(**local)
    assert [reference.classes[label] for _, label in reference] == photos.target.tolist()


def test_a_set_that_exists_is_not_downloaded_again(tmp_path):
    names = ("BACKGROUND_Google", "emu")
    folder = tmp_path / "caltech101/101_ObjectCategories"
    write_folder(folder, jpegs(*(f"{name}/image_0001.jpg" for name in names)))
    photos = datasets.fetch_caltech101(data_home=tmp_path)
    assert relative(photos.data, folder) == ["emu/image_0001.jpg"]


@pytest.fixture
def tiny(local, tmp_path):
    """Tiny-ImageNet with two photos of each of two classes, goldfish and tailed frog."""
    contents = {
        "train/n01644900/images/n01644900_0.JPEG": image_bytes("red"),
        "train/n01644900/n01644900_boxes.txt": b"n01644900_0.JPEG\t0\t0\t62\t62\n",
        "train/n01443537/images/n01443537_0.JPEG": image_bytes("lime"),
        "val/images/val_0.JPEG": image_bytes("blue"),
        "val/images/val_1.JPEG": image_bytes("black"),
        "val/val_annotations.txt": b"val_0.JPEG\tn01644900\t0\t0\t6\t6\n"
        b"val_1.JPEG\tn01443537\t0\t0\t6\t6\n",
        "test/images/test_0.JPEG": image_bytes("white"),
    }
    write_zip(
        tmp_path / "tiny-imagenet-200.zip",
        {f"tiny-imagenet-200/{name}": content for name, content in contents.items()},
    )
    return local


def test_tiny_imagenet_stays_in_its_archive(tiny):
    photos = datasets.fetch_tiny_imagenet(**tiny)
    assert photos.target.tolist() == ["n01443537", "n01644900"]
    assert photos.target_names.tolist() == ["n01443537", "n01644900"]
    assert photos.terms[0] == ("goldfish", "Carassius auratus")
    assert [photo.open().read() for photo in photos.data] == [
        image_bytes("lime"),
        image_bytes("red"),
    ]
    val, y = datasets.fetch_tiny_imagenet(subset="val", return_X_y=True, **tiny)
    assert [photo.open().read() for photo in val] == [image_bytes("blue"), image_bytes("black")]
    assert y.tolist() == ["n01644900", "n01443537"]
    together = datasets.fetch_tiny_imagenet(subset="all", as_frame=True, **tiny)
    assert together.counts == {"n01443537": 2, "n01644900": 2}
    assert together.frame["target"].tolist() == [*photos.target, *y]
    assert [path.name for path in tiny["data_home"].iterdir()] == ["tiny-imagenet-200.zip"]


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not part of the project.")
def test_the_classes_of_tiny_imagenet_are_classes_of_ilsvrc2012():
    photos = datasets.load_image_folder(SHARED / "tiny-imagenet-200-sample.tar", folder="val")
    assert len(photos.target_names) == 200
    assert set(photos.target_names) <= set(datasets.load_imagenet_labels().ilsvrc2012)


@pytest.mark.parametrize("name", FETCHERS)
def test_a_missing_set_names_its_place_and_downloads_nothing(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SKDEVISE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "data")):
        getattr(datasets, name)(download_if_missing=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FETCHERS)
def test_wrong_options_are_refused(name):
    with pytest.raises(ValueError, match="'as_frame'"):
        getattr(datasets, name)(as_frame="yes")
    if name != "fetch_caltech101":
        with pytest.raises(ValueError, match="'subset'"):
            getattr(datasets, name)(subset="seen")
