"""The arithmetic of a rendering, once; reference.py, csrc/pixels/ and cuda.py are its twins.

A rendering is a list of layers. Layer i reads tensor `source` and makes tensor i + 1; tensor 0 is
made of the latents (`Latents in` below); the last is the image. Tensors are integers within
+-limit (the last: 0 .. 255), one limit a tensor. All convolutions pad by replication of the edge.

    acc = sum of weight * x                                  below 2^31 in magnitude
    v   = clamp(floor((acc * multiplier + bias) / 2^30), -32768, 32767)     |.| below 2^53

CONV, kernel 1, 3, or 2 (every second row and column, padded below and to the right):

    LEAKY    v = max(v, (v * 3277 + 2^14) >> 15)
    SIGMOID  v = sigmoid[clamp(v, -2048, 2047) + 2048]
    gate     v = (v * g + 2^14) >> 15                        g of tensor `gate`
    add      v = v + r                                       r of tensor `add`
    factor   depth-to-space: row c f^2 + i f + j is channel c at (f y + i, f x + j)
    out = clamp(v, -limit, limit)

INVERSE_GDN, kernel 1; `factor` is a shift:

    square = min((x^2 + (1 << shift >> 1)) >> shift, 32767)
    norm   = beta + sum of weight * square                   0 .. 2^30 - 1
    out    = clamp(floor((x * isqrt(norm) * multiplier + bias) / 2^30), -limit, limit)

Latents in: y, mu int16, index uint8, hyper int8; G is interpolated between the levels' rows of
`gain` (16.16, log2) as FORMAT.md, section 2, interpolates:

    d    = 16 y - mu
    mean = 1024 y + sign(d) * means[index, min(|d|, last)]
    t    = 26 - (G >> 16)                                    1 .. 52
    tensor 0 = clamp((mean * exp2[(G & 65535) >> 4] + 2^(t-1)) >> t, -limit, limit) of each channel,
               then clamp(hyper, -127, 127) << hyper_shift of each hyper feature
"""

from __future__ import annotations

import enum
from typing import NamedTuple

SHIFT = 30
MOST = 32767  # of any integer between two layers
SLOPE, HALF = 3277, 1 << 14  # of the leaky ReLU: 0.1 in 15 bits
SIGMOIDS, SIGMOID_STEPS = 2048, 256  # the table's half length; steps of its input to 1
MEAN_BITS = 10
EXP2_BITS = 12
GAIN_SHIFT = 16 + MEAN_BITS
HYPER_LIMIT = 127
LAST = 255
MAX_SCALE = 4  # log2 of positions a latent along a side
FACTORS = (1, 2, 4, 8, 16)
MAX_LAYERS = 256
PREVIEW = "preview{}"  # the name of the rendering that draws previews at 1/8 or 1/16


class Operation(enum.IntEnum):
    CONV = 0
    INVERSE_GDN = 1


class Activation(enum.IntEnum):
    NONE = 0
    LEAKY = 1
    SIGMOID = 2


class Layer(NamedTuple):
    """A row of the tensor `layers`. `gate` and `add` are tensors' numbers, or -1."""

    operation: int
    source: int
    kernel: int
    activation: int
    gate: int
    add: int
    factor: int
    limit: int
