"""Comparing rate-distortion curves: BD-rate (Bjontegaard, VCEG-M33) by PCHIP.

    BD-rate = exp( mean over q in [low, high] of (ln R_test(q) - ln R_anchor(q)) ) - 1

ln R(q) is the piecewise cubic Hermite interpolant (monotone, without overshoot) of a curve's log
rates over its PSNR, and [low, high] the PSNR that both curves cover: nothing is extrapolated, so a
number means little without its range. A curve is a dict of equally long lists, as in published
JSON files: "bpp" and "psnr", perhaps "ms_ssim" and "lpips_<net>".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from .metrics import need

Curve = dict[str, list[float]]


class BDRate(NamedTuple):
    percent: float  # rate of the test curve over the anchor's, minus 1; below 0 is better
    low: float  # PSNR, dB
    high: float


class EqualRate(NamedTuple):
    anchor: float  # mean of a metric over the log rates that both curves cover
    test: float
    low: float  # bits per pixel
    high: float


def bd_rate(
    anchor: Curve, test: Curve, within: tuple[float, float] = (-math.inf, math.inf)
) -> BDRate | None:
    """How much more rate `test` takes than `anchor` at equal PSNR, in percent, and over what range.

    within: no PSNR beyond these two. None where the curves share no range of PSNR in it, as with a
    curve of a single point.
    """
    means = _common_means(anchor, test, ("psnr", _same), ("bpp", math.log), within)
    if means is None:
        return None
    a, t, low, high = means
    return BDRate(100 * math.expm1(t - a), low, high)


def at_equal_rate(anchor: Curve, test: Curve, metric: str) -> EqualRate | None:
    """The means of a metric of both curves over the range of log rate that both cover.

    `metric` is "psnr", "ms_ssim" or "lpips_<net>"; with "psnr" the difference is BD-PSNR. None
    where a curve lacks the metric or no rate is shared.
    """
    if metric not in anchor or metric not in test:
        return None
    means = _common_means(anchor, test, ("bpp", math.log), (metric, _same))
    if means is None:
        return None
    a, t, low, high = means
    return EqualRate(a, t, math.exp(low), math.exp(high))


_Axis = tuple[str, Callable[[float], float]]  # a key of a curve, and what is done to its values


def _same(value: float) -> float:
    return value


def _common_means(
    anchor: Curve,
    test: Curve,
    x: _Axis,
    y: _Axis,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float, float, float] | None:
    """Both curves' means of y over the range of x that both cover, and that range."""
    a, t = _points(anchor, x, y), _points(test, x, y)
    if min(len(a), len(t)) < 2:
        return None
    low, high = max(min(a), min(t), within[0]), min(max(a), max(t), within[1])
    if low >= high:
        return None
    pchip = need("scipy.interpolate").PchipInterpolator
    areas = (pchip(list(p), list(p.values())).integrate(low, high) for p in (a, t))
    return *(float(area) / (high - low) for area in areas), low, high


def _points(curve: Curve, x: _Axis, y: _Axis) -> dict[float, float]:
    """y by rising x, the finite ones. Where x repeats, the least y: of equal PSNR the cheapest."""
    points: dict[float, float] = {}
    for u, v in sorted(zip(map(x[1], curve[x[0]]), map(y[1], curve[y[0]]), strict=True)):
        if math.isfinite(u) and math.isfinite(v):
            points.setdefault(u, v)
    return points
