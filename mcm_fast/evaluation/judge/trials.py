"""Who sees which pair, in which order and on which side; with attention checks among them.

All voters together see every comparison equally often, within one: each voter gets those that the
voters before saw least. Nothing depends on time or on what others chose, only on the study's seed
and the voter's number.

Two kinds of trial check attention. A repeat shows one of the voter's own pairs again, sides
swapped. An obvious trial shows the original itself beside a ruin of it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

ORIGINAL, RUIN = "original", "ruin"  # the two pictures of an obvious trial
PAIR, REPEAT, OBVIOUS = "pair", "repeat", "obvious"
EVERY_REPEAT, EVERY_OBVIOUS = 10, 20  # one such check for so many votes, at least one


class Comparison(NamedTuple):
    image: str
    first: str
    second: str


class Trial(NamedTuple):
    kind: str
    image: str
    left: str
    right: str


def comparisons(images: Sequence[str], codecs: Sequence[str]) -> list[Comparison]:
    """Every pair of codecs on every image."""
    pairs = list(itertools.combinations(codecs, 2))
    return [Comparison(image, *pair) for image in images for pair in pairs]


def allot(all_of_them: Sequence[Comparison], voter: int, votes: int, seed: int) -> list[Trial]:
    """The trials of the voter with this number (from 0): `votes` pairs at most, and the checks."""
    chooser = random.Random(f"{seed} voter {voter}")
    pairs = [
        Trial(PAIR, c.image, *chooser.sample((c.first, c.second), 2))
        for c in _least_seen(all_of_them, voter, votes, seed)
    ]
    chooser.shuffle(pairs)
    trials = list(pairs)
    for _ in range(_count(len(pairs), EVERY_OBVIOUS)):
        sides = chooser.sample((ORIGINAL, RUIN), 2)
        trial = Trial(OBVIOUS, chooser.choice(all_of_them).image, *sides)
        trials.insert(chooser.randint(len(trials) // 4, len(trials)), trial)
    for pair in chooser.sample(pairs[: -(-len(pairs) // 2)], _count(len(pairs), EVERY_REPEAT)):
        again = Trial(REPEAT, pair.image, pair.right, pair.left)
        # Half a session later, as far as there is one: nobody remembers the side.
        earliest = min(trials.index(pair) + len(pairs) // 2, len(trials))
        trials.insert(chooser.randint(earliest, len(trials)), again)
    return trials


def _count(votes: int, every: int) -> int:
    return max(1, votes // every) if votes > 1 else 0


def _least_seen(
    all_of_them: Sequence[Comparison], voter: int, votes: int, seed: int
) -> list[Comparison]:
    """The comparisons that the voters before saw least, at random among equals."""
    seen = [0] * len(all_of_them)
    for number in range(voter + 1):
        chooser = random.Random(f"{seed} pairs {number}")
        order = sorted(range(len(seen)), key=lambda i: (seen[i], chooser.random()))
        chosen = order[:votes]
        for i in chosen:
            seen[i] += 1
    return [all_of_them[i] for i in chosen]
