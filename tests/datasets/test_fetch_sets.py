"""Published photo sets, each by a small stand-in of its layout."""

import hashlib
import inspect
import io
import json
import pickle
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision.datasets
from PIL import Image

from skdevise import datasets
from skdevise.datasets import _tiny_imagenet as tiny_imagenet
from skdevise.datasets import _torchvision_sets, load_imagenet_labels

FETCHERS = [name for name in datasets.__all__ if name.startswith("fetch_")]


def jpeg(colour="teal"):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "jpeg")
    return file.getvalue()


def tar(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zip_of(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def matlab(**values):
    file = io.BytesIO()
    scipy.io.savemat(file, values)
    return file.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put the files of a set where a user would, as if their sums were the published ones."""

    def put(name, *contents):
        photo_set = _torchvision_sets.SETS[name]
        files = []
        for file, content in zip(photo_set.files, contents, strict=True):
            path = file.path(tmp_path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            files.append(replace(file, md5=md5(content)))
        changed = replace(photo_set, files=tuple(files))
        monkeypatch.setitem(_torchvision_sets.SETS, name, changed)
        return {"data_home": tmp_path, "download_if_missing": False}

    return put


@pytest.mark.parametrize("name", sorted(_torchvision_sets.SETS))
def test_addresses_and_sums_are_torchvisions(name):
    photo_set = _torchvision_sets.SETS[name]
    module = inspect.getmodule(getattr(torchvision.datasets, photo_set.dataset))
    source = inspect.getsource(module)
    for file in photo_set.files:
        assert file.name in source and file.md5 in source
        assert file.url in source or file.url.removesuffix(file.name) in source


def test_caltech101(put):
    inner = tar(
        {
            f"101_ObjectCategories/{label}/image_{number:04d}.jpg": jpeg()
            for label, n in (("BACKGROUND_Google", 3), ("Faces", 1), ("grand_piano", 2))
            for number in range(1, n + 1)
        }
    )
    place = put("caltech101", zip_of({"caltech-101/101_ObjectCategories.tar.gz": inner}))
    photos = datasets.fetch_caltech101(**place)
    folder = place["data_home"] / "caltech101/101_ObjectCategories"
    assert photos.data.tolist() == [
        str(folder / name)
        for name in (
            "Faces/image_0001.jpg",
            "grand_piano/image_0001.jpg",
            "grand_piano/image_0002.jpg",
        )
    ]
    assert photos.target.tolist() == ["Faces", "grand_piano", "grand_piano"]
    assert photos.target_names.tolist() == ["Faces", "grand_piano"]
    assert photos.counts == {"Faces": 1, "grand_piano": 2}
    assert photos.DESCR.startswith("Caltech-101, subset 'all': 3 photos of 2 labels.")
    assert "CC BY 4.0" in photos.DESCR


CIFAR = {
    "cifar10": ("cifar-10-batches-py", "labels", "batches.meta", "label_names"),
    "cifar100": ("cifar-100-python", "fine_labels", "meta", "fine_label_names"),
}


@pytest.mark.parametrize("name", CIFAR)
def test_cifar(put, monkeypatch, name):
    folder, key, meta, names_key = CIFAR[name]
    dataset = getattr(torchvision.datasets, name.upper())
    # Each photo is of one red, which is its number.
    pixels = np.zeros((4, 3, 32, 32), np.uint8)
    pixels[:, 0] = np.arange(4)[:, None, None]
    pixels = pixels.reshape(4, -1)
    files = {
        "train": pickle.dumps({"data": pixels[:3], key: [1, 0, 1]}),
        "test": pickle.dumps({"data": pixels[3:], key: [0]}),
        meta: pickle.dumps({names_key: ["apple", "aquarium_fish"]}),
    }
    place = put(name, tar({f"{folder}/{file}": content for file, content in files.items()}))
    monkeypatch.setattr(dataset, "train_list", [["train", md5(files["train"])]])
    monkeypatch.setattr(dataset, "test_list", [["test", md5(files["test"])]])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": md5(files[meta])})

    fetch = getattr(datasets, f"fetch_{name}")
    photos = fetch(**place)
    assert photos.data.shape == (3, 32, 32, 3) and photos.data.dtype == np.uint8
    assert photos.data[:, 5, 6].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert photos.target.tolist() == ["aquarium_fish", "apple", "aquarium_fish"]
    X, y = fetch(subset="test", return_X_y=True, **place)
    assert X[:, 0, 0, 0].tolist() == [3] and y.tolist() == ["apple"]
    assert fetch(subset="all", **place).counts == {"apple": 2, "aquarium_fish": 2}
    framed = fetch(as_frame=True, **place).frame
    assert framed.columns.tolist() == ["image", "target"]
    assert framed["image"][2].shape == (32, 32, 3)

    (place["data_home"] / folder / "train").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"is damaged .*: delete '.*{folder}', and call again"):
        fetch(**place)


def test_flowers102(put, monkeypatch):
    labels = matlab(labels=np.array([[1, 2, 2, 2, 102, 1]]))
    subsets = matlab(trnid=np.array([[1, 3]]), valid=np.array([[2, 4]]), tstid=np.array([[5, 6]]))
    photos = tar({f"jpg/image_{number:05d}.jpg": jpeg() for number in range(1, 7)})
    place = put("flowers102", photos, labels, subsets)
    sums = dict(torchvision.datasets.Flowers102._file_dict)
    sums |= {"label": ("imagelabels.mat", md5(labels)), "setid": ("setid.mat", md5(subsets))}
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_file_dict", sums)
    found = {
        subset: datasets.fetch_flowers102(subset=subset, **place)
        for subset in ("train", "val", "test", "all")
    }
    assert [Path(path).name for path in found["train"].data] == [
        "image_00001.jpg",
        "image_00003.jpg",
    ]
    assert found["train"].target.tolist() == ["pink primrose", "hard-leaved pocket orchid"]
    assert found["val"].counts == {"hard-leaved pocket orchid": 2}
    assert found["test"].target.tolist() == ["blackberry lily", "pink primrose"]
    assert len(found["all"].data) == 6
    assert all(Path(path).exists() for path in found["all"].data)

    monkeypatch.delattr(torchvision.datasets.Flowers102, "classes")
    with pytest.raises(ImportError, match="come with torchvision 0.22"):
        datasets.fetch_flowers102(**place)


def test_food101(put):
    files = {
        "food-101/meta/train.json": json.dumps(
            {"apple_pie": ["apple_pie/1"], "waffles": []}
        ).encode(),
        "food-101/meta/test.json": json.dumps({"apple_pie": [], "waffles": ["waffles/7"]}).encode(),
        "food-101/images/apple_pie/1.jpg": jpeg(),
        "food-101/images/waffles/7.jpg": jpeg(),
    }
    place = put("food101", tar(files))
    assert datasets.fetch_food101(**place).target.tolist() == ["apple_pie"]
    X, y = datasets.fetch_food101(subset="all", return_X_y=True, **place)
    assert [Path(path).name for path in X] == ["1.jpg", "7.jpg"]
    assert y.tolist() == ["apple_pie", "waffles"]


def test_pets(put):
    lists = {
        "annotations/trainval.txt": b"Abyssinian_2 1 1 1\ngreat_pyrenees_10 2 2 5\n",
        "annotations/test.txt": b"great_pyrenees_3 2 2 5\nAbyssinian_1 1 1 1\n",
    }
    names = ("Abyssinian_1", "Abyssinian_2", "great_pyrenees_3", "great_pyrenees_10")
    place = put("pets", tar({f"images/{name}.jpg": jpeg() for name in names}), tar(lists))
    photos = datasets.fetch_pets(**place)
    assert [Path(path).name for path in photos.data] == [
        "Abyssinian_2.jpg",
        "great_pyrenees_10.jpg",
    ]
    assert photos.target.tolist() == ["Abyssinian", "Great Pyrenees"]
    assert datasets.fetch_pets(subset="test", **place).target.tolist() == [
        "Great Pyrenees",
        "Abyssinian",
    ]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Goldfish n01443537 and tailed frog n01644900, two photos each."""
    top = "tiny-imagenet-200"
    content = zip_of(
        {
            f"{top}/train/n01644900/images/n01644900_0.JPEG": jpeg("red"),
            f"{top}/train/n01644900/n01644900_boxes.txt": b"n01644900_0.JPEG\t0\t0\t62\t62\n",
            f"{top}/train/n01443537/images/n01443537_0.JPEG": jpeg("lime"),
            f"{top}/val/images/val_0.JPEG": jpeg("blue"),
            f"{top}/val/images/val_1.JPEG": jpeg("black"),
            f"{top}/val/val_annotations.txt": b"val_0.JPEG\tn01644900\t0\t0\t6\t6\n"
            b"val_1.JPEG\tn01443537\t0\t0\t6\t6\n",
            f"{top}/test/images/test_0.JPEG": jpeg("white"),
        }
    )
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(content)
    monkeypatch.setattr(tiny_imagenet, "_ZIP", replace(tiny_imagenet._ZIP, md5=md5(content)))
    return {"data_home": tmp_path, "download_if_missing": False}


def test_tiny_imagenet_stays_in_its_archive(tiny):
    photos = datasets.fetch_tiny_imagenet(**tiny)
    assert photos.target.tolist() == ["n01443537", "n01644900"]
    assert photos.target_names.tolist() == ["n01443537", "n01644900"]
    assert photos.terms[0] == ("goldfish", "Carassius auratus")
    assert [photo.open().read() for photo in photos.data] == [jpeg("lime"), jpeg("red")]
    val, y = datasets.fetch_tiny_imagenet(subset="val", return_X_y=True, **tiny)
    assert [photo.open().read() for photo in val] == [jpeg("blue"), jpeg("black")]
    assert y.tolist() == ["n01644900", "n01443537"]
    together = datasets.fetch_tiny_imagenet(subset="all", as_frame=True, **tiny)
    assert together.counts == {"n01443537": 2, "n01644900": 2}
    assert together.frame["target"].tolist() == [*photos.target, *y]
    assert [path.name for path in tiny["data_home"].iterdir()] == ["tiny-imagenet-200.zip"]


def test_the_classes_of_tiny_imagenet_are_among_the_thousand():
    # What the docstring says of nets that were trained on ILSVRC-2012, by the sample's folders.
    sample = Path(__file__).parents[3] / "shared/data/tiny-imagenet-200-sample.tar"
    if not sample.exists():
        pytest.skip(f"{sample} is not part of the project.")
    names = datasets.load_image_folder(sample, folder="val").target_names
    assert len(names) == 200
    assert set(names) <= set(load_imagenet_labels().ilsvrc2012)


@pytest.mark.parametrize("name", FETCHERS)
def test_what_is_not_there_comes_with_what_to_put_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SKDEVISE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError) as raised:
        getattr(datasets, name)(download_if_missing=False)
    message = str(raised.value)
    assert message.startswith(f"'{tmp_path / 'data'}/") and "(md5 " in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FETCHERS)
def test_options_are_checked(name):
    with pytest.raises(ValueError, match="'as_frame' parameter"):
        getattr(datasets, name)(as_frame="yes")
    if name != "fetch_caltech101":
        with pytest.raises(ValueError, match="'subset' parameter of .* must be a str among"):
            getattr(datasets, name)(subset="seen")
