"""Other people's coders and codecs, imported only here; ImportError where one is missing."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import torch
from timing import median
from torch import nn

PRECISION = 14


class Symbols:
    """Symbols under quantized Gaussians: what every coder is given.

    cdf, start, minimum: the tables as mcm_fast takes them, each ending with an escape.
    numbers int32 [n], values int16 [n]: no value is an escape.
    """

    def __init__(self, count: int, tables: int = 64, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.sigmas = np.exp(np.linspace(np.log(0.2), np.log(32), tables))
        self.reach = np.maximum(1, np.ceil(4 * self.sigmas)).astype(int)
        self.cdfs = [self._cdf(s, r) for s, r in zip(self.sigmas, self.reach, strict=True)]
        self.cdf = np.concatenate(self.cdfs).astype(np.int16)
        self.start = np.cumsum([0, *map(len, self.cdfs)]).astype(np.int32)
        self.minimum = -self.reach.astype(np.int32)
        self.numbers = rng.integers(0, tables, count).astype(np.int32)
        self.values = np.empty(count, np.int16)
        for k, cdf in enumerate(self.cdfs):
            chosen = np.nonzero(self.numbers == k)[0]
            slots = rng.integers(0, cdf[-1], len(chosen))
            self.values[chosen] = np.searchsorted(cdf, slots, side="right") - 1 - self.reach[k]

    @staticmethod
    def _cdf(sigma: float, reach: int) -> np.ndarray:
        edges = torch.arange(-reach, reach + 2).double() - 0.5
        below = torch.special.ndtr(edges / sigma).numpy()
        below = (below - below[0]) / (below[-1] - below[0])
        entries = len(edges)  # with the escape, which gets one slot
        return np.floor(below * (2**PRECISION - entries)).astype(int) + np.arange(entries)


def compressai():
    """The package. It imports torchvision for its data sets only, so that a stub will do."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        for name in ("torchvision", "torchvision.transforms"):
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__spec__ = ModuleSpec(name, None)
        sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    import compressai.models

    return compressai


class CompressAIRans:
    """Its Python API: lists in, bytes out (16 bits of precision are fixed there)."""

    name = "CompressAI rANS, Python API"

    def __init__(self, symbols: Symbols):
        compressai()
        from compressai import ans

        self.encoder, self.decoder, self.symbols = ans.RansEncoder(), ans.RansDecoder(), symbols
        length = max(map(len, symbols.cdfs)) + 1
        full = [np.append(cdf, 2**PRECISION) << (16 - PRECISION) for cdf in symbols.cdfs]
        self.cdfs = np.stack([np.pad(cdf, (0, length - len(cdf))) for cdf in full])
        self.sizes = np.array([len(cdf) for cdf in full])

    def _tables(self):
        return (a.tolist() for a in (self.cdfs, self.sizes, self.symbols.minimum))

    def encode(self):
        symbols = self.symbols
        return self.encoder.encode_with_indexes(
            symbols.values.tolist(), symbols.numbers.tolist(), *self._tables()
        )

    def decode(self, data):
        numbers = self.symbols.numbers.tolist()
        return np.array(self.decoder.decode_with_indexes(data, numbers, *self._tables()), np.int16)


class Constriction:
    """Its ANS coder with a quantized Gaussian for each symbol."""

    name = "constriction ANS, QuantizedGaussian"

    def __init__(self, symbols: Symbols):
        import constriction

        self.coder = constriction.stream.stack.AnsCoder
        reach = int(symbols.reach.max())
        self.model = constriction.stream.model.QuantizedGaussian(-reach, reach)
        self.values = symbols.values.astype(np.int32)
        self.sigmas = symbols.sigmas[symbols.numbers]
        self.means = np.zeros_like(self.sigmas)

    def encode(self):
        coder = self.coder()
        coder.encode_reverse(self.values, self.model, self.means, self.sigmas)
        return coder.get_compressed()

    def decode(self, data):
        return self.coder(data).decode(self.model, self.means, self.sigmas).astype(np.int16)


class TorchAns:
    """Its CPU coder on tensors, 32-bit states and 16-bit words like ours."""

    def __init__(self, symbols: Symbols, impl: str = "rans32_16", interleaves: int = 8):
        from torch_ans.utils import TorchANSInterface

        self.name = f"torch-ans {impl}, {interleaves} interleaved"
        self.coder = TorchANSInterface(
            num_parallel_states=1,
            device="cpu",
            bypass_coding=False,
            freq_precision=PRECISION,
            impl=impl,
            num_interleaves=interleaves,
        )
        counts = [np.diff(np.append(cdf, 2**PRECISION))[:-1] for cdf in symbols.cdfs]
        length = max(map(len, counts))
        frequencies = np.stack([np.pad(c, (0, length - len(c))) for c in counts])
        self.coder.init_params(
            torch.from_numpy(frequencies).float(),
            torch.tensor([len(c) for c in counts], dtype=torch.int32),
            torch.from_numpy(symbols.minimum),
        )
        self.values = torch.from_numpy(symbols.values.astype(np.int32))
        self.numbers = torch.from_numpy(symbols.numbers)

    def encode(self):
        return self.coder.encode(self.values, self.numbers)

    def decode(self, data):
        return self.coder.decode(data, self.numbers).numpy().astype(np.int16).reshape(-1)


class TorchAnsRaw(TorchAns):
    """The same without its interface: its operators on a stream that is allocated once."""

    def __init__(self, symbols: Symbols, impl: str = "rans32_16", interleaves: int = 8):
        super().__init__(symbols, impl, interleaves)
        self.name = f"torch-ans {impl}, {interleaves} interleaved, raw calls"
        self.stream = self.coder._init_stream()
        self.head = self.stream.clone()
        self.row = self.values[None], self.numbers[None]
        self.tables = self.coder.cdfs, self.coder.cdfs_sizes, self.coder.offsets
        self.coder._reserve_stream(self.stream, len(self.values))
        self.used_bytes = self.coder._stream_sizes()[0]
        self.options = {
            "freq_precision": PRECISION,
            "bypass_coding": False,
            "bypass_precision": self.coder.bypass_precision,
        }

    def encode(self):
        self.stream[:, : self.head.shape[1]] = self.head
        self.coder.ans_encode_func(
            self.stream, *self.row, *self.tables, **self.options, used_bytes=self.used_bytes
        )
        return self.stream

    def decode(self, data):
        # A stream is used up by decoding it.
        decoded = self.coder.ans_decode_func(
            data.clone(),
            self.row[1],
            *self.tables,
            **self.options,
            **self.coder._decode_extra_kwargs,
        )
        return decoded.numpy().reshape(-1)


CODERS = [
    CompressAIRans,
    Constriction,
    TorchAns,
    TorchAnsRaw,
    lambda symbols: TorchAns(symbols, "rans64", 1),
]


class _Always(nn.Module):
    """A transform that has been done already."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, *_):
        return self.output


class Model:
    """The entropy part of an untrained CompressAI model: its transforms cost nothing.

    transforms: the seconds of analysis and of synthesis, timed apart.
    """

    def __init__(self, name: str, height: int, width: int):
        models = compressai().models
        torch.manual_seed(0)
        make = {
            "mbt2018": lambda: models.JointAutoregressiveHierarchicalPriors(192, 320),
            "cheng2020-attn": lambda: models.Cheng2020Attention(192),
            "ELIC": lambda: models.Elic2022Official(),
        }[name]
        self.net = make().eval()
        self.net.update(force=True)
        self.image = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            analysis, synthesis = self.net.g_a, self.net.g_s
            y = analysis(self.image)
            self.transforms = (
                median(lambda: analysis(self.image), 3),
                median(lambda: synthesis(y), 3),
            )
            self.net.g_a = _Always(y)
            self.net.g_s = _Always(self.image)

    @torch.inference_mode()
    def encode(self):
        return self.net.compress(self.image)

    @torch.inference_mode()
    def decode(self, coded):
        return self.net.decompress(coded["strings"], coded["shape"])
