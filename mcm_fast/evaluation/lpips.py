"""LPIPS v0.1 (Zhang et al., CVPR 2018) from its standard state dicts, without torchvision.

    d(a, b) = sum over taps l of mean over pixels of sum over channels w_l (u_l(a) - u_l(b))^2

u_l are the backbone's features after tap l, normalised to length 1 at each pixel:
u = f / sqrt(sum f^2 + 1e-8). The epsilon is inside the root, so that a pixel without any feature
has a gradient of 0 instead of NaN (the published code first had it outside).

Two files make a metric: a backbone with torchvision's key names ("features.0.weight", ...) and the
linear heads w_l ("lin0.model.1.weight", ...). The backbone's keys say which network it is. Values
of different networks are not comparable: name the network beside every number.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# ImageNet's mean and deviation, for pixels in [-1, 1] (as LPIPS was fitted).
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-8
SUFFIXES = {".pth", ".pt"}

# Taps: the layers of `features` (torchvision's numbers) whose outputs are compared.
_TAPS = {
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
    "vgg": (3, 8, 15, 22, 29),
    "alex": (1, 4, 7, 9, 11),
}
# A key that only this backbone has, with the shape that tells VGG-16 and AlexNet from others.
_SIGNS = {
    "squeeze": ("features.12.squeeze.weight", (64, 512, 1, 1)),
    "vgg": ("features.28.weight", (512, 512, 3, 3)),
    "alex": ("features.0.weight", (64, 3, 11, 11)),
}
_MIN_SIDE = {"squeeze": 17, "vgg": 16, "alex": 31}  # below, a pooling layer has nothing left


class LPIPS(nn.Module):
    """The distance of image pairs; frozen, in fp32 even under autocast, differentiable.

    `backbone` and `heads` are the two files, or `backbone` alone a folder that holds them. `net`
    ("squeeze", "vgg", "alex") picks a network in a folder with several. Raises ValueError for
    files that do not fit, OSError for those that cannot be read.
    """

    def __init__(
        self,
        backbone: str | os.PathLike,
        heads: str | os.PathLike | None = None,
        net: str | None = None,
    ):
        super().__init__()
        if net is not None and net not in _TAPS:
            raise ValueError(f"net {net!r} is none of {', '.join(_TAPS)}")
        features, linear, self.net = _find(Path(backbone), heads and Path(heads), net)
        self.features = _BUILDERS[self.net]()
        self._taps = _TAPS[self.net]
        self.min_side = _MIN_SIDE[self.net]
        load_features(self.features, features, self.net)
        for i, weight in enumerate(linear):
            self.register_buffer(f"head{i}", weight.float().reshape(1, -1, 1, 1))
        self.register_buffer("_shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("_scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a, b (N, 3, H, W), pixels in [0, 1] (or a little outside) -> distances (N,)."""
        if a.shape != b.shape or a.dim() != 4 or a.shape[1] != 3:
            raise ValueError(f"two (N, 3, H, W) wanted, got {tuple(a.shape)} and {tuple(b.shape)}")
        if min(a.shape[-2:]) < self.min_side:
            raise ValueError(f"a side of {min(a.shape[-2:])} is below {self.min_side} ({self.net})")
        with torch.autocast(a.device.type, enabled=False):
            x, y = ((2 * t.float() - 1 - self._shift) / self._scale for t in (a, b))
            total = x.new_zeros(x.shape[0])
            head = 0
            for i, layer in enumerate(self.features):
                x, y = layer(x), layer(y)
                if i in self._taps:
                    weight = getattr(self, f"head{head}")
                    total = total + ((_unit(x) - _unit(y)).square() * weight).sum(1).mean((1, 2))
                    head += 1
        return total


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + _EPSILON).sqrt()


class _Fire(nn.Module):
    """SqueezeNet's module: 1x1 to few channels, then 1x1 and 3x3 side by side."""

    def __init__(self, inputs: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat((self.expand1x1(x), self.expand3x3(x)), 1))


def _squeezenet() -> nn.Sequential:
    """SqueezeNet 1.1 up to its last fire module."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    fires = [_Fire(64, 16, 64), _Fire(128, 16, 64), pool(), _Fire(128, 32, 128)]
    fires += [_Fire(256, 32, 128), pool(), _Fire(256, 48, 192), _Fire(384, 48, 192)]
    fires += [_Fire(384, 64, 256), _Fire(512, 64, 256)]
    return nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), *fires)


def vgg16() -> nn.Sequential:
    """VGG-16 without batch norm, up to relu5_3."""
    layers: list[nn.Module] = []
    inputs = 3
    for widths in ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3):
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[:-1])


def _alexnet() -> nn.Sequential:
    """AlexNet up to relu5."""
    layers = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    for inputs, width in ((192, 384), (384, 256), (256, 256)):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


_BUILDERS = {"squeeze": _squeezenet, "vgg": vgg16, "alex": _alexnet}

# Channels at each tap: what a set of heads must have.
_WIDTHS = {
    "squeeze": [64, 128, 256, 384, 384, 512, 512],
    "vgg": [64, 128, 256, 512, 512],
    "alex": [64, 192, 384, 256, 256],
}


def _find(
    backbone: Path, heads: Path | None, net: str | None
) -> tuple[Mapping[str, Tensor], list[Tensor], str]:
    """The backbone's state, the heads' weights, and the network that both belong to."""
    if heads is not None:
        paths = [backbone, heads]
    elif backbone.is_dir():
        paths = sorted(p for p in backbone.iterdir() if p.suffix in SUFFIXES)
    else:
        raise ValueError(f"{backbone}: not a folder, so the file of the linear heads is needed too")
    features: dict[str, Mapping[str, Tensor]] = {}
    linear: dict[str, list[Tensor]] = {}
    for path in paths:
        state = read_state(path)
        backbone_of, heads_of = net_of_backbone(state), _net_of_heads(state)
        if backbone_of:
            features[backbone_of] = state
        elif heads_of:
            linear[heads_of] = _heads(state)
        elif heads is not None:
            raise ValueError(f"{path.name}: neither a backbone nor the heads of LPIPS")
    found = [name for name in _TAPS if name in features and name in linear and net in (None, name)]
    if len(found) != 1:
        have = f"backbones: {', '.join(features) or 'none'}; heads: {', '.join(linear) or 'none'}"
        reason = "name one of several networks" if found else "no backbone with its heads"
        raise ValueError(f"{backbone}: {reason} ({have})")
    return features[found[0]], linear[found[0]], found[0]


def read_state(path: Path) -> Mapping[str, Tensor]:
    """A state dict of tensors. Raises ValueError for another file, OSError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # pickle, zip and torch each raise their own
        raise ValueError(f"{path.name}: not a state dict that torch can load") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{path.name}: not a state dict of tensors")
    return state


def net_of_backbone(state: Mapping[str, Tensor]) -> str | None:
    """ "squeeze", "vgg" or "alex"; None for anything else."""
    for net, (key, shape) in _SIGNS.items():
        if key in state and tuple(state[key].shape) == shape:
            return net
    return None


def _heads(state: Mapping[str, Tensor]) -> list[Tensor]:
    """The heads' weights in order; the package's own files call them "lin0.model.1.weight"."""
    names = [f"lin{i}.model.1.weight" for i in range(7)]
    return [state[name] for name in names if name in state]


def _net_of_heads(state: Mapping[str, Tensor]) -> str | None:
    widths = [w.numel() for w in _heads(state)]
    return next((net for net, wanted in _WIDTHS.items() if widths == wanted), None)


def load_features(features: nn.Sequential, state: Mapping[str, Tensor], net: str) -> None:
    """Load a backbone with torchvision's names. Raises ValueError where it does not fit."""
    prefix = "features."
    own = {k[len(prefix) :]: v.float() for k, v in state.items() if k.startswith(prefix)}
    try:
        features.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"the backbone is not LPIPS' {net}: {error}") from error
