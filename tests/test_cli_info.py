"""`info`: one file, several, folders, and what is no stream among them."""

import json
import os

from cli_runs import picture


def made(cli, *names):
    for name in names:
        picture(f"{name}.png", colour="teal")
        cli("compress", f"{name}.png", f"{name}.mcm")


def test_one(cli):
    made(cli, "a")
    code, out, err = cli("info", "a.mcm", "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "") and facts["width"] == 7 and facts["quality"] == 50
    code, out, err = cli("info", "a.mcm")
    assert (code, err) == (0, "") and "width         7\n" in out and "file" not in out


def test_several_and_a_folder(cli):
    made(cli, "a", "in/b", "in/deeper/c")
    code, out, err = cli("info", "a.mcm", "in", "--json", "--recursive")
    files = [facts["file"] for facts in json.loads(out)]
    assert (code, err) == (0, "") and files == ["a.mcm", "in/b.mcm", "in/deeper/c.mcm"]
    code, out, err = cli("info", "a.mcm", "in/b.mcm")
    assert code == 0 and "file          a.mcm\n" in out and "file          in/b.mcm\n" in out


def test_one_bad_file_among_several(cli):
    made(cli, "a", "c")
    open("b.mcm", "wb").write(b"not a stream")
    code, out, err = cli("info", "a.mcm", "b.mcm", "c.mcm", "--json")
    assert code == 2 and err == "mcm-fast: b.mcm: not an MCM stream\n"
    assert [facts["file"] for facts in json.loads(out)] == ["a.mcm", "c.mcm"]


def test_names_of_any_bytes(cli):
    made(cli, "a")
    name = os.fsdecode(b"odd\xff.mcm")
    os.rename("a.mcm", name)
    made(cli, "b")
    code, out, _ = cli("info", name, "b.mcm")
    assert code == 0 and "odd\\udcff.mcm" in out
