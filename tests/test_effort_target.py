"""A size to meet, where improved streams are not always the same fraction of plain ones."""

import pytest

from mcm_fast.effort import target
from mcm_fast.effort.target import improve_to


@pytest.mark.parametrize("power", [0.7, 1.0, 1.3, 1.6])
@pytest.mark.parametrize("wanted", [6000, 27764, 90000])
def test_a_few_searches_meet_it(monkeypatch, power, wanted):
    """An improved stream is 8000 (plain / 20000)^power bytes, as with a map of importance."""
    searches = []

    def size(latents: tuple[str, int]) -> int:
        kind, quality = latents
        plain = 3000 * 40 ** (quality / 10000)
        return round(plain if kind == "plain" else 8000 * (plain / 20000) ** power)

    def improve(codec, image, latents, **options):
        searches.append(latents)
        return "improved", latents[1]

    monkeypatch.setattr(target, "improve", improve)
    found = improve_to(None, None, wanted, lambda quality: ("plain", quality), effort=3, size=size)
    ends = size(("improved", 0)), size(("improved", 10000))
    reachable = min(max(wanted, ends[0]), ends[1])
    assert abs(size(found) - reachable) <= 0.005 * reachable
    assert len(searches) <= 6
