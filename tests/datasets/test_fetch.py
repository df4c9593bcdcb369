"""Downloads, from a server in a thread of this process."""

import hashlib
import io
import os
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from skdevise.datasets._download import RemoteFile, data_home_path, fetch_files

CONTENT = bytes(range(256)) * 64  # 16,384 bytes
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files`; can cut each answer after some bytes, and forget what ranges are."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        self.cut_after, self.knows_ranges = None, True

    def remote(self, name, content=CONTENT, md5=None, **where):
        self.files[f"/{name}"] = content
        md5 = md5 or hashlib.md5(content).hexdigest()
        return RemoteFile(f"http://127.0.0.1:{self.server_port}/{name}", md5, **where)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        begin = 0
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if wanted and self.server.knows_ranges:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        end = None if self.server.cut_after is None else begin + self.server.cut_after
        self.wfile.write(content[begin:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_file_is_fetched_once(server, tmp_path):
    file = server.remote("a.zip")
    fetch_files([file], tmp_path / "new/data", True)
    assert file.path(tmp_path / "new/data").read_bytes() == CONTENT
    fetch_files([file], tmp_path / "new/data", True)
    assert server.asked == [""]
    assert names(tmp_path / "new/data") == ["a.zip"]


def test_a_cut_connection_goes_on_where_it_stopped(server, tmp_path):
    server.cut_after = 6000
    fetch_files([server.remote("a.zip")], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=6000-", "bytes=12000-"]


def test_a_dead_connection_leaves_what_came_for_the_next_call(server, tmp_path):
    file = server.remote("a.zip")
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:5000])
    server.cut_after = 0
    with pytest.raises(OSError, match="'a.zip' could not be downloaded .the connection was cut"):
        fetch_files([file], tmp_path, True)
    assert names(tmp_path) == ["a.zip.part"]
    server.cut_after = None
    fetch_files([file], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.asked == ["bytes=5000-", "bytes=5000-"]
    assert names(tmp_path) == ["a.zip"]


def test_a_server_without_ranges_gives_all_again(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:5000])
    server.knows_ranges = False
    fetch_files([server.remote("a.zip")], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_that_cuts_is_given_up(server, tmp_path):
    server.knows_ranges, server.cut_after = False, 6000
    with pytest.raises(OSError, match="the connection was cut"):
        fetch_files([server.remote("a.zip")], tmp_path, True)
    assert server.asked == ["", "bytes=6000-"]


def test_a_part_that_is_all_of_it(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    fetch_files([server.remote("a.zip")], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("part", [b"?" * 5000, CONTENT + b"?"])
def test_a_part_that_was_wrong_is_fetched_anew(server, tmp_path, part):
    (tmp_path / "a.zip.part").write_bytes(part)
    fetch_files([server.remote("a.zip")], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(part)}-", ""]


def test_corrupt_data_never_appears(server, tmp_path):
    file = server.remote("a.zip", CONTENT[::-1], md5=MD5)
    with pytest.raises(
        OSError, match=f"its md5 came as {hashlib.md5(CONTENT[::-1]).hexdigest()} in"
    ):
        fetch_files([file], tmp_path, True)
    assert names(tmp_path) == []


def test_what_cannot_be_fetched_comes_with_what_to_put_where(server, tmp_path):
    first, second = server.remote("a.zip"), server.remote("b.zip", folder="sub")
    here = server.remote("c.zip")
    (tmp_path / "c.zip").write_bytes(CONTENT)
    server.files.clear()
    with pytest.raises(OSError) as raised:
        fetch_files([first, second, here], tmp_path, True)
    assert str(raised.value) == (
        "'a.zip' could not be downloaded (HTTP Error 404: Not Found): call again when the network "
        f"is there, or put there by hand {first.url} (md5 {MD5}) as {str(tmp_path / 'a.zip')!r}, "
        f"and {second.url} (md5 {MD5}) as {str(tmp_path / 'sub/b.zip')!r}."
    )
    assert server.asked == [""]


def test_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    file = RemoteFile("http://127.0.0.1:1/a.zip", MD5)  # Nothing listens there.
    with pytest.raises(OSError, match="'a.zip' could not be downloaded .*refused.* by hand http"):
        fetch_files([file], tmp_path, True)
    assert names(tmp_path) == []


def test_the_network_is_left_alone_if_asked_to(server, tmp_path):
    file = server.remote("a.zip")
    with pytest.raises(FileNotFoundError) as raised:
        fetch_files([file], tmp_path / "data", False)
    assert str(raised.value) == (
        f"{str(tmp_path / 'data/a.zip')!r} does not exist: pass download_if_missing=True, or put "
        f"there by hand {file.url} (md5 {MD5}) as {str(tmp_path / 'data/a.zip')!r}."
    )
    assert server.asked == [] and names(tmp_path) == []


def test_a_file_put_there_by_hand_is_checked_and_used(tmp_path):
    file = RemoteFile("http://127.0.0.1:1/a.zip", MD5)
    (tmp_path / "a.zip").write_bytes(CONTENT)
    fetch_files([file], tmp_path, False)
    (tmp_path / "a.zip").write_bytes(CONTENT[1:])
    with pytest.raises(ValueError, match="a.zip' is damaged, or is not what .* Delete it"):
        fetch_files([file], tmp_path, True)
    assert (tmp_path / "a.zip").read_bytes() == CONTENT[1:]


def tar_of(**files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"photos/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def test_a_tar_is_unpacked_once_and_then_not_needed(server, tmp_path):
    file = server.remote("a.tgz", tar_of(a=b"A", b=b"B"), folder="sub", unpacked="photos")
    fetch_files([file], tmp_path, True)
    assert names(tmp_path / "sub") == ["a.tgz", "photos"]
    assert (tmp_path / "sub/photos/b").read_bytes() == b"B"
    (tmp_path / "sub/a.tgz").unlink()
    fetch_files([file], tmp_path, False)


def test_a_tar_put_there_by_hand_is_checked_before_it_is_unpacked(tmp_path):
    file = RemoteFile("http://127.0.0.1:1/a.tgz", MD5, unpacked="photos")
    (tmp_path / "a.tgz").write_bytes(tar_of(a=b"A"))
    with pytest.raises(ValueError, match="a.tgz' is damaged, or is not what"):
        fetch_files([file], tmp_path, True)
    assert names(tmp_path) == ["a.tgz"]


def test_unpacking_that_fails_leaves_nothing_half_done(server, tmp_path, monkeypatch):
    file = server.remote("a.tgz", tar_of(a=b"A", b=b"B"), unpacked="photos")
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *_: exec('raise OSError("the disk is full")'))
    with pytest.raises(OSError, match="the disk is full"):
        fetch_files([file], tmp_path, True)
    assert names(tmp_path) == ["a.tgz"]
    monkeypatch.setattr(os, "rename", rename)
    fetch_files([file], tmp_path, False)
    assert names(tmp_path) == ["a.tgz", "photos"]


def test_many_at_once_fetch_one_time(server, tmp_path):
    file = server.remote("a.tgz", tar_of(a=b"A"), unpacked="photos")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: fetch_files([file], tmp_path, True), range(6)))
    assert server.asked == [""]


def test_the_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDEVISE_HOME", str(tmp_path))
    assert data_home_path(None) == tmp_path / "data"
    assert data_home_path("photos") == Path("photos")
    assert data_home_path("~/photos") == Path.home() / "photos"
