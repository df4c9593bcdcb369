"""Photos for the tests of the loaders, as bytes and in archives."""

import io
import tarfile
import zipfile
from pathlib import Path

from PIL import Image

SHARED = Path(__file__).parents[3] / "shared/data"


def image_bytes(colour="teal", size=4, image_format="png"):
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, image_format)
    return file.getvalue()


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
