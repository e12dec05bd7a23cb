"""Ctrl-C, and SIGTERM: streams are whole or not there, and no process stays."""

import os
import signal
import subprocess
import sys
import time

import pytest
from pictures import photograph

from mcm_fast.container import unpack

COUNT = 60


def test_ctrl_c_leaves_nothing_half_written(cli, monkeypatch):
    from cli_runs import picture

    picture("a.png")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    assert cli("compress", "a.png", "a.mcm") == (130, "", "mcm-fast: interrupted\n")
    assert os.listdir() == ["a.png"]


def processes_of(group: int) -> list[int]:
    """The ids of the processes of a group that still run."""
    alive = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(entry)) == group and "Z" not in _state(entry):
                alive.append(int(entry))
        except OSError:
            continue
    return alive


def _state(entry: str) -> str:
    return open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()[0]


def hears_ctrl_c() -> None:
    """What a shell starts in the background ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_an_interrupted_process(small, tmp_path, jobs, number):
    """Ctrl-C reaches the whole group, as from a terminal; SIGTERM the command alone."""
    (tmp_path / "in").mkdir()
    photograph(200, 300).save(tmp_path / "in" / "0.png")
    for i in range(1, COUNT):
        os.link(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mcm_fast", "compress", "in", "out", "--jobs", jobs]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )
    try:
        while not list(out.glob("*.mcm")) and process.poll() is None:
            time.sleep(0.01)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 130 and err.endswith("mcm-fast: interrupted\n")
        assert "Traceback" not in err
        deadline = time.monotonic() + 10
        while processes_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_of(process.pid)
    finally:
        process.kill()
    names = os.listdir(out)
    assert 0 < len(names) < COUNT and {os.path.splitext(name)[1] for name in names} == {".mcm"}
    for name in names:
        assert unpack((out / name).read_bytes()).width == 300
