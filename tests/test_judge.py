"""A blind study: who sees what, what is stored, what a server that dies loses, who won."""

import csv
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from judge_studies import CODECS, Client, preferring, write_study

from mcm_fast.evaluation.judge import trials
from mcm_fast.evaluation.judge.server import Server
from mcm_fast.evaluation.judge.study import Study
from mcm_fast.evaluation.judge.trials import OBVIOUS, ORIGINAL, PAIR, REPEAT, allot, comparisons
from mcm_fast.evaluation.judge.votes import COLUMNS, Votes

TRUTH = dict(zip(CODECS, (150.0, 40.0, -30.0, -160.0), strict=True))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return write_study(tmp_path / "study")


@pytest.fixture
def server(study: Study):
    server = Server(study)
    server.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server.server_port)


def test_all_voters_together_see_every_pair_equally_often() -> None:
    everything = comparisons([f"i{n}" for n in range(24)], "abcd")
    seen = Counter()
    for voter in range(20):
        pairs = [t for t in allot(everything, voter, 42, seed=5) if t.kind == PAIR]
        own = Counter((t.image, *sorted((t.left, t.right))) for t in pairs)
        assert len(pairs) == 42 and set(own.values()) == {1}
        seen += own
    assert len(seen) == len(everything) == 144
    assert set(seen.values()) == {5, 6}  # 840 of 144


def test_sides_and_order_are_random_and_repeatable() -> None:
    everything = comparisons([f"i{n}" for n in range(24)], "abcd")
    lists = [allot(everything, voter, 42, seed=1) for voter in range(20)]
    pairs = [t for each in lists for t in each if t.kind == PAIR]
    assert 0.4 < sum(t.left < t.right for t in pairs) / len(pairs) < 0.6
    assert lists[3] == allot(everything, 3, 42, seed=1) != allot(everything, 3, 42, seed=2)


def test_checks_of_attention() -> None:
    everything = comparisons([f"i{n}" for n in range(24)], "abcd")
    for voter in range(20):
        found = allot(everything, voter, 42, seed=1)
        kinds = Counter(t.kind for t in found)
        assert kinds == {PAIR: 42, REPEAT: 4, OBVIOUS: 2}
        for place, trial in enumerate(found):
            if trial.kind == OBVIOUS:
                assert sorted((trial.left, trial.right)) == [ORIGINAL, trials.RUIN]
            if trial.kind == REPEAT:
                first = found.index(trials.Trial(PAIR, trial.image, trial.right, trial.left))
                assert place - first >= 10


def test_more_votes_than_pairs_are_the_pairs() -> None:
    everything = comparisons(["i"], "abc")
    assert sum(t.kind == PAIR for t in allot(everything, 7, 42, seed=0)) == 3


def test_a_vote_is_stored_once_and_can_be_taken_back(study: Study) -> None:
    votes = study.open_votes()
    voter = votes.register("Ada", study.allot)
    votes.cast("x", voter, 0, "left", 2.0)
    votes.cast("x", voter, 0, "left", 2.0)  # sent again: no answer had come
    assert votes.position(voter).done == 1
    with pytest.raises(ValueError, match="has a vote"):
        votes.cast("y", voter, 0, "right", 2.0)
    votes.undo(voter, 0)
    votes.undo(voter, 0)
    votes.cast("x", voter, 0, "left", 2.0)  # an old message again brings nothing back
    assert votes.position(voter) == (0, 48, 0)
    votes.cast("y", voter, 0, "same", 2.0)
    (row,) = votes.rows()
    assert tuple(row) == COLUMNS
    assert (row["choice"], row["winner"], row["name"]) == ("same", "", "Ada")


def test_what_cannot_be_stored_is_refused(study: Study, tmp_path: Path) -> None:
    votes = study.open_votes()
    voter = votes.register("", study.allot)
    with pytest.raises(ValueError, match="'both'"):
        votes.cast("x", voter, 0, "both", 2.0)
    for who, number in ((voter, 99), ("nobody", 0)):
        with pytest.raises(KeyError):
            votes.cast("x", who, number, "left", 2.0)
    with pytest.raises(KeyError):
        votes.position("nobody")
    with pytest.raises(ValueError, match="another study"):
        Votes(study.folder / "votes.sqlite", "other")
    with pytest.raises(ValueError, match="not a study"):
        (tmp_path / "study.json").write_text("{}")
        Study.load(tmp_path)


def test_names_do_not_become_formulas(study: Study) -> None:
    votes = study.open_votes()
    voter = votes.register("=1+1", study.allot)
    votes.cast("x", voter, 0, "left", 2.0)
    (row,) = csv.DictReader(io.StringIO(votes.csv()))
    assert row["name"] == "'=1+1" and row["voter"] == voter


def test_the_server_tells_nothing_about_whose_picture_it_is(server: Server, client: Client) -> None:
    session = client.json("/api/voters", {"name": "Ada"})
    text = json.dumps(session)
    assert session["total"] == 48 and not any(name in text for name in (*CODECS, "ruin", "pair"))
    trial = server.votes.trial(session["voter"], 0)
    files = server.study.image(trial.image).files
    for side in ("left", "right"):
        status, data = client.call(session["trial"][side])
        assert status == 200
        assert data == (server.study.folder / files[getattr(trial, side)]).read_bytes()
    assert client.call(session["trial"]["original"])[1][:4] == b"\x89PNG"


@pytest.mark.parametrize(
    "path, body, status",
    [
        ("/nothing", None, 404),
        ("/static/../server.py", None, 404),
        ("/static/..%2fserver.py", None, 404),
        ("/picture/nobody/0/left", None, 404),
        ("/picture/nobody/zero/left", None, 400),
        ("/original/-1", None, 404),
        ("/api/session?voter=nobody", None, 404),
        ("/api/vote", {"voter": "nobody"}, 404),
        ("/api/voters", [1], 400),
        ("/api/voters", {"name": "x" * 20000}, 400),
        ("/api/nothing", {"voter": "x"}, 404),
    ],
)
def test_bad_requests(client: Client, path: str, body: object, status: int) -> None:
    assert client.call(path, body)[0] == status


def test_another_sites_form_cannot_vote(client: Client) -> None:
    assert client.call("/api/voters", {"name": "x"}, **{"Content-Type": "text/plain"})[0] == 400


def _serve(folder: Path) -> tuple[subprocess.Popen, int]:
    command = [sys.executable, "-m", "mcm_fast", "judge", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().split()[2]
    return process, int(address.rstrip("/,").rpartition(":")[2])


def _vote_until_it_dies(port: int, acknowledged: list[str], ready: threading.Event) -> None:
    client = Client(port)
    try:
        session = client.json("/api/voters", {"name": "Ada"})
        while session["trial"]:
            vote = os.urandom(12).hex()
            session = client.vote(session, "left", vote)
            acknowledged.append(vote)
            if len(acknowledged) > 5:
                ready.set()
    except OSError:
        pass
    except Exception as error:  # http.client's own, for an answer cut off
        assert type(error).__module__ == "http.client", error
    ready.set()


def test_ten_kills_of_the_server_lose_no_acknowledged_vote(study: Study) -> None:
    acknowledged: list[str] = []
    for _ in range(10):
        process, port = _serve(study.folder)
        before, ready = len(acknowledged), threading.Event()
        mine: list[list[str]] = [[], [], []]
        voters = [
            threading.Thread(target=_vote_until_it_dies, args=(port, votes, ready))
            for votes in mine
        ]
        for voter in voters:
            voter.start()
        assert ready.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for voter in voters:
            voter.join()
        process.stdout.close()
        acknowledged += [vote for votes in mine for vote in votes]
        assert len(acknowledged) > before + 5
    with closing(sqlite3.connect(study.folder / "votes.sqlite")) as db:
        stored = {row[0] for row in db.execute("SELECT id FROM votes WHERE undone IS NULL")}
    assert len(acknowledged) == len(set(acknowledged)) and set(acknowledged) <= stored


def _judge_all(server: Server, client: Client, session: dict, seed: int) -> None:
    choose = preferring(TRUTH, random.Random(seed))
    while session["trial"]:
        trial = server.votes.trial(session["voter"], session["trial"]["number"])
        session = client.vote(session, choose(trial.left, trial.right))


def test_a_panel_of_twenty_voters_and_840_votes_recovers_the_truth(server: Server) -> None:
    """Over HTTP: they come one after the other, so that a seed fixes who sees what, and vote all at
    once. `test_intervals_hold...` counts over many panels."""
    pytest.importorskip("choix", reason="needs the extra [judge]")
    from mcm_fast.evaluation.judge.result import Result

    voters = []
    for n in range(20):
        client = Client(server.server_port)
        session = client.json("/api/voters", {"name": f"voter {n}"})
        voters.append(threading.Thread(target=_judge_all, args=(server, client, session, n)))
    for voter in voters:
        voter.start()
    for voter in voters:
        voter.join()
    rows = server.votes.rows()
    result = Result.of(server.study, rows)
    assert len(rows) == 20 * 48 and len(result.votes) == 840 and not result.left_out
    assert [s.codec for s in result.scores] == list(CODECS)
    for score in result.scores:
        assert score.low < TRUTH[score.codec] < score.high, score
        assert score.high - score.low < 120
    for rate in result.rates:
        chance = 1 / (1 + 10 ** ((TRUTH[rate.second] - TRUTH[rate.first]) / 400))
        assert rate.low < chance < rate.high
    status, content = Client(server.server_port).call("/results")
    assert status == 200 and b"840 votes of 20 people" in content and b"<script" not in content
    status, content = Client(server.server_port).call("/votes.csv")
    assert status == 200 and len(content.decode().splitlines()) == 1 + 960
