"""Who won: win rates with Wilson intervals, and Bradley-Terry scores with bootstrap intervals.

Bradley-Terry (1952): codec i is preferred to j with probability 1 / (1 + exp(s_j - s_i)). A "cannot
tell" counts as half a win for each. Scores are told on Elo's scale, 400 / ln 10 times s, and their
mean is 0. `choix` finds the maximum of the likelihood, with a little regularization so that a codec
which never lost has a finite score.

The votes of a person hang together, so the bootstrap draws voters, not votes, where there are eight
or more; with fewer it draws votes. The interval of n units is the score +- t(0.975, n - 1) times
the drawn scores' deviation times sqrt(n / (n - 1)): with 20 voters the drawn quantiles themselves
are too narrow (they held 90 % of the scores of 40 simulated panels; these intervals hold 94 %).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..metrics import need
from .trials import OBVIOUS, ORIGINAL, PAIR, REPEAT

ELO = 400 / math.log(10)
_LEAST_VOTERS = 8  # fewer are too few to draw from
_REGULARIZATION = 0.01  # wins that every codec has against every other beforehand
_DRAWS = 1000


class Vote(NamedTuple):
    """One comparison: `first` comes before `second` in the study's codecs."""

    voter: str
    image: str
    first: str
    second: str
    share: float  # 1: first preferred, 0: second, 0.5: cannot tell


class Rate(NamedTuple):
    """How often `first` was preferred to `second`; the rate is of those who could tell."""

    first: str
    second: str
    wins: int
    losses: int
    same: int
    rate: float | None
    low: float | None
    high: float | None
    p: float | None  # two-sided, of a fair coin


class Score(NamedTuple):
    codec: str
    elo: float
    low: float
    high: float


class Attention(NamedTuple):
    """A voter's checks: obvious trials passed, repeats answered as before."""

    voter: str
    name: str
    votes: int
    obvious: int
    obvious_passed: int
    repeats: int
    repeats_equal: int

    @property
    def passed(self) -> bool:
        """Every obvious trial was seen. A repeat may differ: of two good pictures, it will."""
        return self.obvious_passed == self.obvious


def votes_of(rows: Iterable[Mapping[str, object]], codecs: Sequence[str]) -> list[Vote]:
    """The votes on pairs, of `Votes.rows`; checks are left out."""
    order = {codec: i for i, codec in enumerate(codecs)}
    votes = []
    for row in rows:
        if row["kind"] == PAIR:
            first, second = sorted((row["left"], row["right"]), key=order.__getitem__)
            share = {"": 0.5, first: 1.0}.get(row["winner"], 0.0)
            votes.append(Vote(row["voter"], row["image"], first, second, share))
    return votes


def attention(rows: Iterable[Mapping[str, object]]) -> list[Attention]:
    """Each voter's checks, in order of first appearance."""
    by_voter: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        by_voter.setdefault(row["voter"], []).append(row)
    return [_attention(voter, mine) for voter, mine in by_voter.items()]


def _attention(voter: str, rows: Sequence[Mapping[str, object]]) -> Attention:
    def key(row: Mapping[str, object]) -> tuple[object, frozenset]:
        return row["image"], frozenset((row["left"], row["right"]))

    pairs = {key(row): row["winner"] for row in rows if row["kind"] == PAIR}
    obvious = [row["winner"] == ORIGINAL for row in rows if row["kind"] == OBVIOUS]
    repeats = [
        pairs[key(row)] == row["winner"]
        for row in rows
        if row["kind"] == REPEAT and key(row) in pairs
    ]
    counts = (len(pairs), len(obvious), sum(obvious), len(repeats), sum(repeats))
    return Attention(voter, rows[0]["name"], *counts)


def rates(votes: Iterable[Vote]) -> list[Rate]:
    """One for each pair that was voted on, in order of first appearance."""
    shares: dict[tuple[str, str], list[float]] = {}
    for vote in votes:
        shares.setdefault((vote.first, vote.second), []).append(vote.share)
    return [_rate(*pair, *map(found.count, (1.0, 0.0, 0.5))) for pair, found in shares.items()]


def _rate(first: str, second: str, wins: int, losses: int, same: int) -> Rate:
    if not wins + losses:
        return Rate(first, second, 0, 0, same, None, None, None, None)
    test = need("scipy.stats", "judge").binomtest(wins, wins + losses)
    low, high = test.proportion_ci(method="wilson")
    p = float(test.pvalue)
    return Rate(first, second, wins, losses, same, wins / (wins + losses), low, high, p)


def scores(
    votes: Sequence[Vote], codecs: Sequence[str], draws: int = _DRAWS, seed: int = 0
) -> list[Score]:
    """Every codec's score, best first. Without votes all are 0, and the interval is not finite."""
    if not votes:
        return [Score(codec, 0.0, -math.inf, math.inf) for codec in codecs]
    wins = _wins(votes, codecs)
    best, units = _bradley_terry(wins.sum(0)), len(wins)
    reach = np.full(len(codecs), math.inf)
    if units > 1:
        drawn = [_bradley_terry(drawn) for drawn in _resampled(wins, draws, seed)]
        quantile = need("scipy.stats", "judge").t.ppf(0.975, units - 1)
        reach = np.std(drawn, axis=0) * quantile * math.sqrt(units / (units - 1))
    found = zip(codecs, best, best - reach, best + reach, strict=True)
    return sorted((Score(codec, *map(float, x)) for codec, *x in found), key=lambda s: -s.elo)


def _bradley_terry(wins: np.ndarray) -> np.ndarray:
    """Wins of row over column (codecs, codecs) -> scores on Elo's scale."""
    return ELO * need("choix", "judge").ilsr_pairwise_dense(wins, alpha=_REGULARIZATION)


def _wins(votes: Sequence[Vote], codecs: Sequence[str]) -> np.ndarray:
    """A matrix of wins for each unit that the bootstrap draws: (units, codecs, codecs)."""
    index = {codec: i for i, codec in enumerate(codecs)}
    voters = {voter: i for i, voter in enumerate(dict.fromkeys(v.voter for v in votes))}
    by_voter = len(voters) >= _LEAST_VOTERS
    wins = np.zeros((len(voters) if by_voter else len(votes), len(codecs), len(codecs)))
    for number, vote in enumerate(votes):
        unit = voters[vote.voter] if by_voter else number
        first, second = index[vote.first], index[vote.second]
        wins[unit, first, second] += vote.share
        wins[unit, second, first] += 1 - vote.share
    return wins


def _resampled(wins: np.ndarray, draws: int, seed: int) -> Iterable[np.ndarray]:
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        counts = np.bincount(generator.integers(len(wins), size=len(wins)), minlength=len(wins))
        yield np.tensordot(counts, wins, 1)
