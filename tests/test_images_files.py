"""Files that appear whole or not at all."""

import os
import stat

import pytest

from mcm_fast.images import is_image_name, write_file


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(path, b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_write_file_follows_links_and_spares_devices(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    write_file(os.devnull, b"gone")
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_permissions_and_time_of_another_file(tmp_path, mode):
    (tmp_path / "source").write_bytes(b"")
    os.chmod(tmp_path / "source", mode)
    os.utime(tmp_path / "source", ns=(10**18, 10**18 + 7))
    write_file(tmp_path / "file", b"new", tmp_path / "source")
    status = os.stat(tmp_path / "file")
    assert stat.S_IMODE(status.st_mode) == mode and status.st_mtime_ns == 10**18 + 7


def test_the_file_is_never_open_to_others_before(tmp_path, monkeypatch):
    (tmp_path / "source").write_bytes(b"")
    os.chmod(tmp_path / "source", 0o600)
    modes = []
    monkeypatch.setattr(os, "fchmod", lambda file, mode: modes.append(os.fstat(file).st_mode))
    write_file(tmp_path / "file", b"new", tmp_path / "source")
    assert [stat.S_IMODE(mode) for mode in modes] == [0o600]


def test_without_another_file_the_umask_decides(tmp_path):
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(tmp_path / "file").st_mode) == 0o640


def test_names():
    assert is_image_name("a.PNG") and not is_image_name("a.mcm") and not is_image_name("notes.txt")
