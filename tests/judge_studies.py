"""Small studies for the tests of `mcm-fast judge`: pictures with noise, no codec."""

import http.client
import json
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from mcm_fast.evaluation.judge.study import FILE, Image, Study
from mcm_fast.evaluation.judge.trials import ORIGINAL, RUIN

CODECS = ("sharp", "fair", "soft", "poor")


def write_study(
    folder: Path, size: tuple[int, int] = (96, 64), images: int = 12, votes: int = 42
) -> Study:
    """A study of smooth pictures, each codec's a little noisier than the one before."""
    generator = np.random.default_rng(0)
    found = []
    (folder / "pictures").mkdir(parents=True)
    for number in range(images):
        ramp = np.add.outer(np.arange(size[1]), np.arange(size[0])) % 200 + 20
        colour = np.stack([ramp, ramp[::-1], np.full_like(ramp, 20 * number % 200)], -1)
        files, measures = {}, {}
        for level, name in enumerate((ORIGINAL, *CODECS, RUIN)):
            noise = generator.integers(-4 * level, 4 * level + 1, colour.shape)
            files[name] = f"pictures/{number}-{level}.png"
            pixels = Picture.fromarray((colour + noise).clip(0, 255).astype(np.uint8))
            pixels.save(folder / files[name], compress_level=1)
            measures[name] = {"bytes": 1000, "bpp": 0.2, "psnr": 40.0 - 3 * level, "ms_ssim": None}
        found.append(Image(f"image{number}", *size, files, {c: measures[c] for c in CODECS}))
    study = Study(folder, secrets.token_hex(8), list(CODECS), found, votes=votes)
    (folder / FILE).write_text(study.to_json())
    return study


class Client:
    """A voter's side of the server's interface; keeps one connection open."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def call(self, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        """GET without a body, otherwise POST: status and content."""
        headers = {"Content-Type": "application/json"} | headers
        data = None if body is None else json.dumps(body)
        self.connection.request("GET" if body is None else "POST", path, data, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def json(self, path: str, body: object = None) -> dict:
        status, content = self.call(path, body)
        assert status == 200, content
        return json.loads(content)

    def vote(self, session: dict, choice: str, vote: str | None = None) -> dict:
        vote = vote or secrets.token_hex(12)
        body = {"id": vote, "voter": session["voter"], "number": session["trial"]["number"]}
        return self.json("/api/vote", body | {"choice": choice, "seconds": 1.5})


def preferring(truth: dict[str, float], rng: random.Random) -> Callable[[str, str], str]:
    """A judge's choice of (left, right) by Bradley-Terry with Elo scores; checks are seen."""

    def choose(left: str, right: str) -> str:
        if ORIGINAL in (left, right):
            return "left" if left == ORIGINAL else "right"
        chance = 1 / (1 + 10 ** ((truth[right] - truth[left]) / 400))
        return "left" if rng.random() < chance else "right"

    return choose
