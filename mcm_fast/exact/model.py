"""A model's integers: their names, sizes, bounds and identity (FORMAT.md, sections 2 and 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..lazy import cached
from ..limits import QUALITY_STEPS
from .identity import MODEL, identity
from .rans import SYMBOL_BITS

SHIFT = 24  # requantisation: floor((acc * multiplier + bias) / 2^24)
LIMIT = 127  # activations are -127 .. 127
ACC_LIMIT, BIAS_LIMIT, PRODUCT_LIMIT = 2**31, 2**48, 2**54  # FORMAT.md, section 3
FRACTIONS = 16  # mu counts in sixteenths
CONTEXTS = ("context3", "context5", "context7")


class IntegerModel:
    """The integer tensors of one model, checked.

    Args:
        tensors: as FORMAT.md, section 2, names them; other names are ignored.

    Raises:
        ValueError: a tensor is missing, has a wrong type or shape, or breaks a bound.
    """

    def __init__(self, tensors: dict[str, Tensor], slices: int = 8):
        self.slices = slices
        self.layers = layer_names(slices)
        names = [f"{name}.weight" for name in self.layers] + ["multiplier", "bias"]
        names += ["tables.cdf", "tables.start", "tables.minimum", "tables.shift", "tables.first"]
        missing = [name for name in names if name not in tensors]
        if missing:
            raise ValueError(f"the model file has no {missing[0]}")
        self.tensors = {name: tensors[name].contiguous() for name in names}
        _check_types(self.tensors)
        _check_shapes(self)
        _check_bounds(self)
        _check_tables(self)

    @property
    def levels(self) -> int:
        return self.tensors["multiplier"].shape[0]

    @property
    def slice_channels(self) -> int:
        """C, channels of y in a slice."""
        return self.tensors["slice.0.context3.weight"].shape[2]

    @property
    def y_channels(self) -> int:
        """M, channels of y."""
        return self.slices * self.slice_channels

    @property
    def z_channels(self) -> int:
        """Nz, channels of z."""
        return self.tensors["hyper.0.weight"].shape[1]

    @property
    def hyper_channels(self) -> int:
        """F, channels of the hyper-synthesis' features."""
        return self.tensors["hyper.2.weight"].shape[0]

    @property
    def indexes(self) -> int:
        """I, how many indexes there are."""
        return len(self.tensors["tables.shift"])

    @property
    def y_tables(self) -> int:
        """How many tables y has; z's come behind them."""
        return len(self.tensors["tables.minimum"]) - self.levels * self.z_channels

    @cached
    def id(self) -> bytes:
        """The first 8 bytes of the SHA-256 of all integers."""
        return identity(MODEL, {name: tensor.numpy() for name, tensor in self.tensors.items()})

    def affine_at(self, quality: int) -> dict[str, tuple[Tensor, Tensor]]:
        """For each layer: multiplier and bias (int64 [outputs]) at a quality in 0..10000."""
        low, fraction = divmod(quality * (self.levels - 1), QUALITY_STEPS)
        if low == self.levels - 1:
            low, fraction = low - 1, QUALITY_STEPS
        sizes = [self.tensors[f"{name}.weight"].shape[0] for name in self.layers]
        parts = []
        for name in ("multiplier", "bias"):
            a, b = self.tensors[name][low : low + 2].long()
            step = (b - a) * fraction + QUALITY_STEPS // 2
            parts.append((a + step.div(QUALITY_STEPS, rounding_mode="floor")).split(sizes))
        return dict(zip(self.layers, zip(*parts, strict=True), strict=True))

    def z_table(self, quality: int) -> int:
        """The number of the table of z's first channel: z uses the tables of the nearest level."""
        level = (2 * quality * (self.levels - 1) + QUALITY_STEPS) // (2 * QUALITY_STEPS)
        return self.y_tables + level * self.z_channels

    def table_of(self, mu: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Each latent's table and the base that its values count from (FORMAT.md, section 4).

        Args:
            mu, index: integers of one shape. Returns: int64 of that shape.
        """
        s = self.tensors["tables.shift"].long()[index.long()]
        k = (mu.long() + (1 << s >> 1)) >> s
        first = self.tensors["tables.first"].long()[index.long()]
        return first + (k & ((FRACTIONS >> s) - 1)), k >> (4 - s)


def layer_names(slices: int) -> list[str]:
    """All layers in the order of their columns in `multiplier` and `bias`."""
    names = ["hyper.0", "hyper.1", "hyper.2"]
    for k in range(slices):
        parts = [*CONTEXTS, "previous", "hidden", "head"]
        names += [f"slice.{k}.{part}" for part in parts if k or part != "previous"]
    return names


def _check_types(tensors: dict[str, Tensor]) -> None:
    expected = {"multiplier": torch.int32, "bias": torch.int64, "tables.cdf": torch.int16}
    expected |= {"tables.start": torch.int32, "tables.minimum": torch.int32}
    expected |= {"tables.shift": torch.int8, "tables.first": torch.int32}
    for name, tensor in tensors.items():
        if tensor.dtype != expected.get(name, torch.int8):
            raise ValueError(f"{name} is {tensor.dtype}, not {expected.get(name, torch.int8)}")


def _check_shapes(model: IntegerModel) -> None:
    def need(name: str, *shape: int) -> int:
        own = tuple(model.tensors[name].shape)
        same = len(own) == len(shape)
        if not same or any(b not in (-1, a) for a, b in zip(own, shape, strict=True)):
            raise ValueError(f"{name} has the shape {own}, not {shape} (-1: any)")
        return own[0]

    a = need("hyper.0.weight", -1, -1, 3, 3)
    b = need("hyper.1.weight", -1, a // 4, 3, 3)
    features = need("hyper.2.weight", -1, b // 4, 3, 3)
    if a % 4 or b % 4:
        raise ValueError("depth-to-space wants outputs in fours")
    channels = model.tensors["slice.0.context3.weight"].shape[-1]
    for k in range(model.slices):
        inputs = features
        for part, taps in zip(CONTEXTS, (4, 12, 24), strict=True):
            inputs += need(f"slice.{k}.{part}.weight", -1, taps, channels)
        if k:
            inputs += need(f"slice.{k}.previous.weight", -1, 9, k * channels)
        hidden = need(f"slice.{k}.hidden.weight", -1, inputs)
        need(f"slice.{k}.head.weight", 2 * channels, hidden)
    total = sum(model.tensors[f"{name}.weight"].shape[0] for name in model.layers)
    levels = need("multiplier", -1, total)
    need("bias", levels, total)
    if levels < 2 or any(0 in tensor.shape for tensor in model.tensors.values()):
        raise ValueError("the model has fewer than two levels or an empty layer")


def _check_bounds(model: IntegerModel) -> None:
    """No accumulator leaves int32 and no product 2^54, whatever the activations: FORMAT.md, section
    3. Twin: `csrc/model.cpp:Model::prove_bounds`."""
    weights = [model.tensors[f"{name}.weight"].long().flatten(1) for name in model.layers]
    largest = torch.cat([weight.abs().sum(1) for weight in weights]) * LIMIT
    bias, multiplier = model.tensors["bias"], model.tensors["multiplier"].long().abs()
    if largest.max() >= ACC_LIMIT:
        raise ValueError("an accumulator may leave 32 bits")
    # Interpolation between levels multiplies differences of biases by up to 10000.
    if int(bias.max()) >= BIAS_LIMIT or int(bias.min()) <= -BIAS_LIMIT:
        raise ValueError("a bias leaves 49 bits")
    if (largest * multiplier + bias.abs()).max() >= PRODUCT_LIMIT:  # below 2^62: it cannot wrap
        raise ValueError("a requantisation may leave 54 bits")


def _check_tables(model: IntegerModel) -> None:
    tables = {name: t.long() for name, t in model.tensors.items() if name.startswith("tables.")}
    if any(tensor.dim() != 1 for tensor in tables.values()):
        raise ValueError("the tables have more or fewer than one dimension")
    cdf, start = tables["tables.cdf"], tables["tables.start"]
    count = len(start) - 1
    sizes = start[1:] - start[:-1]
    if count > 2**16:
        raise ValueError(f"{count} tables are more than 65536")
    if count < 1 or start[0] != 0 or start[-1] != len(cdf) or sizes.min() < 2:
        raise ValueError("tables.start does not cut tables.cdf into tables of two entries or more")
    first = torch.zeros(len(cdf), dtype=torch.bool)
    first[start[:-1]] = True
    rising = torch.cat((torch.ones(1, dtype=torch.bool), cdf[1:] > cdf[:-1]))
    if not torch.where(first, cdf == 0, rising).all() or cdf.max() >= 1 << SYMBOL_BITS:
        raise ValueError("a table's cumulative frequencies do not rise from 0 to below 2^14")
    shift, begin = tables["tables.shift"], tables["tables.first"]
    same = len(tables["tables.minimum"]) == count and len(shift) == len(begin)
    if not same or not 0 < len(shift) <= 256:
        raise ValueError("the tables' indexes have different lengths")
    if shift.min() < 0 or shift.max() > 4 or begin.min() < 0:
        raise ValueError("tables.shift is not within 0..4 or tables.first is negative")
    if (begin + (FRACTIONS >> shift)).max() > model.y_tables:
        raise ValueError("tables.first points beyond the tables of y")
    minimum = tables["tables.minimum"]
    if minimum.min() < -(2**15) or (minimum + sizes).max() > 2**15:
        raise ValueError("a table reaches beyond 16 bits")
