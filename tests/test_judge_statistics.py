"""Win rates and scores: values by hand, ties, attention, and intervals that hold what they say."""

import json
import math
import random
from pathlib import Path

import pytest
from judge_studies import CODECS, preferring, write_study

from mcm_fast.evaluation.judge.trials import PAIR, allot, comparisons

pytest.importorskip("choix", reason="needs the extra [judge]")
pytest.importorskip("scipy", reason="needs the extra [judge]")

from mcm_fast.evaluation.judge.result import Result, markdown, to_json, write_all
from mcm_fast.evaluation.judge.statistics import Vote, attention, rates, scores


def _votes(wins: int, losses: int, same: int = 0) -> list[Vote]:
    shares = [1.0] * wins + [0.0] * losses + [0.5] * same
    return [Vote(str(i % 10), "i", "a", "b", share) for i, share in enumerate(shares)]


def test_scores_of_two_codecs_are_the_log_odds() -> None:
    best, other = scores(_votes(60, 30, 10), "ab", draws=50)
    assert (best.codec, other.codec) == ("a", "b")
    assert best.elo - other.elo == pytest.approx(400 * math.log10(65 / 35), rel=0.001)
    assert best.elo + other.elo == pytest.approx(0, abs=1e-6)
    assert best.low < best.elo < best.high


def test_rates_are_of_those_who_could_tell() -> None:
    (rate,) = rates(_votes(60, 30, 10))
    assert (rate.wins, rate.losses, rate.same) == (60, 30, 10)
    assert rate.rate == pytest.approx(2 / 3)
    z, n, p = 1.959964, 90, 2 / 3  # Wilson, 1927
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    assert (rate.low, rate.high) == pytest.approx((middle - reach, middle + reach))
    assert 0.001 < rate.p < 0.01
    (tied,) = rates(_votes(0, 0, 3))
    assert tied.rate is None and tied.same == 3


def test_a_codec_that_never_lost_has_a_finite_score() -> None:
    best, _ = scores(_votes(30, 0), "ab", draws=50)
    assert 400 < best.elo < 2000 and math.isfinite(best.high)


def test_no_votes_and_one_vote() -> None:
    for votes in ([], _votes(1, 0)):
        assert all(math.isinf(score.high) for score in scores(votes, "ab", draws=10))


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    """20 panels of 20 voters and 840 votes."""
    truth = dict(zip(CODECS, (150.0, 40.0, -30.0, -160.0), strict=True))
    everything = comparisons([f"i{n}" for n in range(12)], CODECS)
    held = []
    for panel in range(20):
        rng, votes = random.Random(panel), []
        for voter in range(20):
            choose = preferring(truth, rng)
            for trial in allot(everything, voter, 42, panel):
                if trial.kind == PAIR:
                    first, second = sorted((trial.left, trial.right), key=CODECS.index)
                    share = float(choose(first, second) == "left")
                    votes.append(Vote(str(voter), trial.image, first, second, share))
        assert len(votes) == 840
        held += [s.low < truth[s.codec] < s.high for s in scores(votes, CODECS, 200, panel)]
    assert 0.88 <= sum(held) / len(held)  # 80 scores: 0.95 less three deviations


def _row(kind: str, left: str, right: str, winner: str, voter: str = "v") -> dict[str, object]:
    choice = {left: "left", right: "right"}.get(winner, "same")
    row = {"voter": voter, "name": "Ada", "kind": kind, "image": "image0", "left": left}
    return row | {"right": right, "winner": winner, "choice": choice}


def test_who_misses_an_obvious_trial_does_not_count(tmp_path: Path) -> None:
    rows = [
        _row("pair", "fair", "sharp", "sharp"),
        _row("repeat", "sharp", "fair", "sharp"),
        _row("obvious", "original", "ruin", "original"),
        _row("pair", "sharp", "fair", "fair", "w"),
        _row("repeat", "fair", "sharp", "", "w"),
        _row("obvious", "original", "ruin", "", "w"),
    ]
    good, bad = attention(rows)
    assert (good.obvious_passed, good.repeats_equal, good.passed) == (1, 1, True)
    assert (bad.obvious_passed, bad.repeats_equal, bad.passed) == (0, 0, False)
    result = Result.of(write_study(tmp_path / "s"), rows)
    assert result.votes == [Vote("v", "image0", "sharp", "fair", 1.0)]
    assert result.left_out == [bad] and "Left out: 1" in markdown(result)
    assert json.loads(to_json(result))["scores"][0]["low"] is None  # of one vote


def test_everything_is_written(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study")
    votes = study.open_votes()
    for name in ("Ada", "<b>"):
        voter = votes.register(name, study.allot)
        for number in range(votes.position(voter).total):
            trial = votes.trial(voter, number)
            best = min(("original", *CODECS, "ruin").index(s) for s in (trial.left, trial.right))
            side = "left" if ("original", *CODECS, "ruin")[best] == trial.left else "right"
            votes.cast(f"{voter}{number}", voter, number, side, 1.0)
    written = {path.name: path.read_text() for path in write_all(study, votes, tmp_path / "out")}
    assert sorted(written) == ["result.html", "result.json", "result.md", "votes.csv"]
    page = written["result.html"]
    assert "http:" not in page and "https:" not in page and "&lt;b&gt;" in page and "<svg" in page
    content = json.loads(written["result.json"])
    assert [s["codec"] for s in content["scores"]] == list(CODECS) and content["votes"] == 84
    assert "| image0 | sharp | 0.200 | 37.00 | - | 100 % |" in written["result.md"]
