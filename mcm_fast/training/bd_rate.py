"""Comparing rate-distortion curves: BD-rate (Bjontegaard, VCEG-M33) by PCHIP.

    BD-rate = exp( mean over q in [low, high] of (ln R_test(q) - ln R_anchor(q)) ) - 1

ln R(q) is the piecewise cubic Hermite interpolant (monotone, without overshoot) of a curve's log
rates over its PSNR, and [low, high] the PSNR that both curves cover: nothing is extrapolated, so a
number means little without its range. A curve is a dict of equally long lists, as in published
JSON files: "bpp" and "psnr", perhaps "ms_ssim" and "lpips_<net>".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .metrics import need

Curve = dict[str, list[float]]


class BDRate(NamedTuple):
    percent: float  # rate of the test curve over the anchor's, minus 1; below 0 is better
    low: float  # PSNR, dB
    high: float


def bd_rate(anchor: Curve, test: Curve) -> BDRate | None:
    """How much more rate `test` takes than `anchor` at equal PSNR, in percent, and over what range.

    None where the curves share no range of PSNR. Raises ValueError for fewer than two points.
    """
    (anchor_at, a), (test_at, t) = (_over(c, "psnr", "bpp", log_y=True) for c in (anchor, test))
    low, high = max(a[0], t[0]), min(a[1], t[1])
    if low >= high:
        return None
    difference = (test_at.integrate(low, high) - anchor_at.integrate(low, high)) / (high - low)
    return BDRate(100 * math.expm1(float(difference)), low, high)


class EqualRate(NamedTuple):
    anchor: float  # mean of a metric over the log rates that both curves cover
    test: float
    low: float  # bits per pixel
    high: float


def at_equal_rate(anchor: Curve, test: Curve, metric: str) -> EqualRate | None:
    """The mean of "psnr", "ms_ssim" or "lpips_<net>" of both curves over their common range of log rate.

    With "psnr" the difference is BD-PSNR. None where a curve lacks the metric or none is shared.
    """
    if metric not in anchor or metric not in test:
        return None
    (anchor_at, a), (test_at, t) = (_over(c, "bpp", metric, log_x=True) for c in (anchor, test))
    low, high = max(a[0], t[0]), min(a[1], t[1])
    if low >= high:
        return None
    means = (float(f.integrate(low, high)) / (high - low) for f in (anchor_at, test_at))
    return EqualRate(*means, math.exp(low), math.exp(high))


def _over(curve: Curve, x: str, y: str, log_x: bool = False, log_y: bool = False):
    """The interpolant of y over x, and the range of x. Points that are not finite are left out.

    Where x repeats (two qualities that decode alike), the first point in order of y stays: for
    rates over PSNR the cheaper one.
    """
    points: dict[float, float] = {}
    for pair in sorted(zip(curve[x], curve[y], strict=True)):
        u, v = (math.log(n) if log else n for n, log in zip(pair, (log_x, log_y), strict=True))
        if math.isfinite(u) and math.isfinite(v):
            points.setdefault(u, v)
    if len(points) < 2:
        raise ValueError(f"a curve needs two different points, got {list(points)}")
    interpolant = need("scipy.interpolate").PchipInterpolator(list(points), list(points.values()))
    return interpolant, (min(points), max(points))
