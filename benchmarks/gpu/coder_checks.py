"""Checks of the coder: each launcher with tables of its own, no Triton kernel beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import warp_pictures
from differences import require_equal
from peers import Symbols
from rows import say
from warp_pictures import Picture, Tables, decoding

from mcm_fast.exact.cuda import device as devices
from mcm_fast.symbols import SymbolTables, decode_symbols, encode_symbols

LAYOUTS = [(1, 1), (8, 1), (32, 1), (32, 2), (32, 32)]


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """tests/warp_pictures.py with its launches there: every array goes there and comes back."""
    usual = warp_pictures.launch

    def launch(name: str, fields: dict) -> None:
        arrays = {name: a for name, a in fields.items() if isinstance(a, np.ndarray)}
        there = {name: torch.from_numpy(_signed(a)).to(device) for name, a in arrays.items()}
        with devices.current(device):
            devices.launch(device, name, fields | there)
        for name, array in arrays.items():
            _signed(array)[...] = there[name].cpu().numpy()

    warp_pictures.launch = launch if device.type == "cuda" else usual
    try:
        yield
    finally:
        warp_pictures.launch = usual


def _signed(array: np.ndarray) -> np.ndarray:
    """The same memory, of a type that torch has."""
    return array.view(f"i{array.itemsize}") if array.dtype.kind == "u" else array


def array(setup) -> None:
    """The coder alone, in one group and in many."""
    symbols = Symbols(20_000 if setup.device.type == "cpu" else 2_000_000)
    arrays = [torch.from_numpy(a) for a in (symbols.cdf, symbols.start, symbols.minimum)]
    cpu, gpu = SymbolTables(*arrays), SymbolTables(*arrays, setup.device)
    values, numbers = torch.from_numpy(symbols.values), torch.from_numpy(symbols.numbers)
    there = values.to(setup.device), numbers.to(setup.device)
    for groups in (1, 8, 1024):
        count = min(len(values), 40_000 * groups)
        here = values[:count], numbers[:count]
        expected = encode_symbols(cpu, *here, 32, groups)
        coded = encode_symbols(gpu, there[0][:count], there[1][:count], 32, groups)
        require_equal(f"sizes of {groups} groups", coded.sizes, expected.sizes)
        require_equal(f"payload of {groups} groups", coded.payload, expected.payload)
        decoded = decode_symbols(gpu, coded, there[1][:count])
        require_equal(f"values of {groups} groups", decoded, values[:count])
        say(groups=groups, symbols=count)


def _pictures() -> Iterator[tuple[list[Picture], list[tuple]]]:
    """Batches: every layout alone; several at once; more than a chunk at a step; no exceptions."""
    tables = Tables(np.random.default_rng(0))
    for layout in LAYOUTS:
        picture = Picture(tables, 9, 13)
        yield [picture], [(picture, *layout, picture.writer().segments(*layout))]
    for escapes in (0, 0.1):
        sizes = (1, 1), (6, 9), (2, 1), (8, 3)
        batch = [Picture(tables, *size, seed=b, escapes=escapes) for b, size in enumerate(sizes)]
        pairs = list(zip(batch, LAYOUTS, strict=False))
        yield batch, [(p, *layout, p.writer().segments(*layout)) for p, layout in pairs]
    large = Picture(tables, 13, 30, escapes=0.01, channels=200)
    yield [large], [(large, 32, 4, large.writer().segments(32, 4))]


def decode(setup) -> None:
    """begin, decode_z, decode_step, finish, with tables and bases from the CPU."""
    for batch, streams in _pictures():
        fields = decoding(streams[0][0].tables, streams)
        with on_device(setup.device):
            errors = warp_pictures.decode(batch, fields)
        for b, picture in enumerate(batch):
            for name, size in (("z", picture.z.size), ("y", picture.y.size)):
                at = int(fields[f"{name}_at"][b])
                found = torch.from_numpy(fields[name][at : at + size])
                expected = torch.from_numpy(getattr(picture, name))
                require_equal(f"decoded {name}", found, expected)
        require_equal("errors", torch.from_numpy(errors), torch.zeros(len(batch)).int())
        say(images=len(batch), layouts=[stream[1:3] for stream in streams])


def encode(setup) -> None:
    """The encoder's launches."""
    for batch, _ in _pictures():
        with on_device(setup.device):
            results = warp_pictures.encode(batch[0].tables, batch, guard=55)
        for picture, (lanes, groups, segments, exceptions) in zip(batch, results, strict=True):
            expected = picture.writer().finish()
            require_equal("layout", torch.tensor((lanes, groups)), torch.tensor(expected[:2]))
            for found, wanted in zip(segments, expected[2], strict=True):
                words = (torch.frombuffer(bytearray(s), dtype=torch.int16) for s in (found, wanted))
                require_equal("segment", *words)
            if exceptions != picture.exceptions():
                raise SystemExit("other exceptions")
        say(images=len(batch))


CODER_CHECKS = {"array": array, "decode": decode, "encode": encode}
