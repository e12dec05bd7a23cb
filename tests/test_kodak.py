"""What must hold on photographs, with the shipped model."""

import warnings

import pytest

import mcm_fast
from mcm_fast.images import read_image

QUALITIES = range(0, 101, 5)


def check_rates(paths) -> None:
    """At each quality the stream is near its ideal length, and longer than at the one before."""
    codec = mcm_fast.load("small")
    for path in paths:
        image, _ = read_image(path)
        lengths = []
        for quality in QUALITIES:
            latents = codec.analysis(image, quality)
            stream, ideal = codec.encode(latents), codec.ideal_bits(latents)
            facts, length = mcm_fast.info(stream), 8 * len(stream)
            lanes = 3 * facts["lanes"] * facts["groups"]  # bytes: one of a state's four is of use
            assert ideal <= length <= 1.005 * ideal + 8 * (96 + lanes), (path.name, quality)
            lengths.append(length)
        assert lengths == sorted(lengths), path.name


def check_target(paths, targets) -> None:
    codec = mcm_fast.load("small")
    for path in paths:
        image, _ = read_image(path)
        pixels = image[0].numel()
        reach = [8 * len(codec.compress(image, quality)) / pixels for quality in (0, 100)]
        for target in targets:
            if reach[0] <= target <= reach[1]:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = 8 * len(codec.compress(image, target_bpp=target)) / pixels
                assert abs(found - target) <= 0.02 * target, (path.name, target)
            elif not 0.97 * reach[0] <= target <= 1.03 * reach[1]:  # 2 % is near enough
                with pytest.warns(UserWarning, match="out of reach"):
                    codec.compress(image, target_bpp=target)


def test_rates(kodak):
    check_rates(kodak[22:23])


def test_target_bpp(kodak):
    check_target(kodak[22:23], [0.001, 0.25, 5.0])


@pytest.mark.slow
def test_rates_of_all(kodak):
    check_rates(kodak)


@pytest.mark.slow
def test_target_bpp_of_all(kodak):
    check_target(kodak, [0.15, 0.4, 0.9])
