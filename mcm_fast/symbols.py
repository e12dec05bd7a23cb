"""The range coder alone, on the device of the tensors: integers, each with a table of its own.

    import torch
    from mcm_fast.symbols import SymbolTables, decode_symbols, encode_symbols

    # table 0: 7 is likelier than 6 and 8; table 1: 0 and 1, as likely
    tables = SymbolTables.from_probabilities([[0.2, 0.6, 0.2], [0.5, 0.5]], first=[6, 0])
    values = torch.tensor([7, 8, 1, 7, -900], dtype=torch.int16)
    numbers = torch.tensor([0, 0, 1, 0, 1], dtype=torch.int32)  # the table of each value
    segments = encode_symbols(tables, values, numbers)
    assert torch.equal(decode_symbols(tables, segments, numbers), values)

A value that its table does not hold, as -900 above, costs the table's escape and 16 bits. Both
sides need equal tables: floating point may differ between machines, so send or store the integers
`tables.arrays`, not the probabilities. `Segments` are plain tensors, without header or checksum.

FORMAT.md, sections 5 and 6, say what is coded. Equal arguments give equal bytes on every device.
The CPU's own coder (`csrc/coder.h`) knows up to 32 groups, as many as a stream has; the warp coder
(`csrc/warp/symbols.h`), kernels on a GPU and loops on the CPU, knows 8192.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import BitstreamError
from .exact.cuda.device import current, launch, launchers
from .exact.extension import extension
from .exact.rans import MAX_GROUPS
from .exact.tables import TOTAL, Table, make_table
from .inputs import whole_number
from .opaque import opaque
from .state import undisturbed
from .tensor_inputs import kind_of

_BAD_TABLE = 32  # csrc/warp/launchers.h


@dataclasses.dataclass(frozen=True)
class Segments:
    """What was coded: for each group its lanes' states, then its words; one after the other."""

    lanes: int  # of a group: a power of two up to 32
    groups: int  # a power of two up to 8192; 1 unless there are 32 lanes
    sizes: Tensor  # int32 [groups], in units of 16 bits
    payload: Tensor  # int16 [sum of sizes]


class SymbolTables:
    """Cumulative frequency tables on one device.

    Args:
        cdf, start, minimum: int16, int32, int32; FORMAT.md, section 2, of these tables alone.
        device: where symbols are coded.

    Raises:
        ValueError: a table is unsound.
        ImportError: the extension for the device has not been built.
    """

    def __init__(
        self, cdf: Tensor, start: Tensor, minimum: Tensor, device: str | torch.device = "cpu"
    ):
        self.device, self.count = torch.device(device), len(minimum)
        self.arrays = tuple(tensor.cpu().numpy() for tensor in (cdf, start, minimum))
        blob = extension().warp.pack_tables(*self.arrays, 0, self.count)
        launchers(self.device)
        self.blob = torch.from_numpy(blob).to(self.device)

    @classmethod
    def from_probabilities(
        cls,
        probabilities: Sequence[Tensor | Sequence[float]],
        first: Sequence[int],
        device: str | torch.device = "cpu",
    ) -> SymbolTables:
        """Tables of the values first[i], first[i] + 1, ... with probabilities[i], one for each i.

        What is missing to 1 goes to the escape, which every table has. Values below 2^-17 at either
        end are left to it.

        Raises:
            ValueError: a table has no value above 2^-17, a negative or not finite probability, a
                sum above 1.001, or more values than 2^14 steps can tell apart.
        """
        if len(probabilities) != len(first):
            raise ValueError(f"{len(probabilities)} tables, but {len(first)} first values")
        made = [_table(mass, value) for mass, value in zip(probabilities, first, strict=True)]
        sizes = torch.tensor([0] + [len(cdf) for _, cdf in made])
        cdf = torch.cat([cdf for _, cdf in made]).to(torch.int16)
        minimum = torch.tensor([value for value, _ in made], dtype=torch.int32)
        return cls(cdf, sizes.cumsum(0).to(torch.int32), minimum, device)


@opaque
@undisturbed()
def encode_symbols(
    tables: SymbolTables, values: Tensor, numbers: Tensor, lanes: int = 32, groups: int = 1
) -> Segments:
    """Code values[i] (int16 [n]) under table numbers[i] (int32 [n]). Each lane costs 4 bytes.

    Raises ValueError for a number or a layout that there is not, and for other types or shapes.
    """
    values, numbers = _checked(tables, values, torch.int16), _checked(tables, numbers, torch.int32)
    _check_layout(lanes, groups)
    if values.shape != numbers.shape:
        raise ValueError(f"{len(values)} values, but {len(numbers)} numbers of tables")
    if _fits_cpu(tables, groups):
        coded = extension().encode_symbols(
            *tables.arrays, values.numpy(), numbers.numpy(), lanes, groups
        )
        sizes = torch.tensor([len(segment) // 2 for segment in coded], dtype=torch.int32)
        payload = torch.from_numpy(np.frombuffer(b"".join(coded), np.int16).copy())
        return Segments(lanes, groups, sizes, payload)
    states = max(1, lanes * groups)  # the launcher rejects invalid layouts
    words = 2 * -(-len(values) // states) * states
    payload, sizes = values.new_empty(words + 2 * states), numbers.new_empty(states)[:groups]
    _launch(
        "encode_symbols",
        tables,
        {"lanes": lanes, "groups": groups, "values": values, "numbers": numbers}
        | {"payload": payload, "segment_size": sizes, "segment_at": sizes.long()}
        | {"words": values.new_empty(words), "states": numbers.new_empty(states)},
    )
    return Segments(lanes, groups, sizes, payload[: int(sizes.sum())])


@opaque
@undisturbed()
def decode_symbols(tables: SymbolTables, segments: Segments, numbers: Tensor) -> Tensor:
    """The values, int16 [n]. Waits for the device.

    Raises BitstreamError for damaged segments, ValueError as `encode_symbols` does.
    """
    if not isinstance(segments, Segments):
        raise ValueError(f"segments are Segments, not {type(segments).__name__}")
    numbers = _checked(tables, numbers, torch.int32)
    lanes, groups = segments.lanes, segments.groups
    _check_layout(lanes, groups)
    payload = _checked(tables, segments.payload, torch.int16)
    sizes = _checked(tables, segments.sizes, torch.int32)
    ends = sizes.long().cumsum(0)
    if len(sizes) != groups or (sizes < 0).any() or int(sizes.sum()) != len(payload):
        raise BitstreamError("the sizes of the segments do not add up")
    if _fits_cpu(tables, groups):
        parts = [part.tobytes() for part in np.split(payload.numpy(), ends[:-1].tolist())]
        values = extension().decode_symbols(*tables.arrays, parts, numbers.numpy(), lanes, groups)
        return torch.from_numpy(values)
    values = torch.empty_like(numbers, dtype=torch.int16)
    _launch(
        "decode_symbols",
        tables,
        {"lanes": lanes, "groups": groups, "values": values, "numbers": numbers}
        | {"payload": payload, "segment_size": sizes, "segment_at": ends - sizes}
        | {"words": 0, "states": 0},
    )
    return values


def _table(probabilities: Tensor | Sequence[float], first: int) -> Table:
    mass = torch.as_tensor(probabilities, dtype=torch.float64, device="cpu")
    total = float(mass.sum())
    if mass.dim() != 1 or not 2.0**-17 < total <= 1.001 or float(mass.min()) < 0:
        raise ValueError(f"not the probabilities of a table: {mass.numel()} with sum {total:g}")
    if len(mass) >= TOTAL or float(mass.max()) <= 2.0**-17:
        raise ValueError(f"{len(mass)} probabilities up to {float(mass.max()):g} make no table")
    return make_table(mass, first)


def _fits_cpu(tables: SymbolTables, groups: int) -> bool:
    return tables.device.type == "cpu" and groups <= MAX_GROUPS


def _checked(tables: SymbolTables, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """It, contiguous. Raises ValueError unless it is such a vector on the tables' device."""
    if not isinstance(tables, SymbolTables):
        raise ValueError(f"tables are SymbolTables, not {type(tables).__name__}")
    plain = isinstance(tensor, Tensor) and not tensor.is_nested and tensor.layout == torch.strided
    device = tables.blob.device
    if not plain or tensor.dtype != dtype or tensor.dim() != 1 or tensor.device != device:
        where = f" on {tensor.device}" if plain else ""
        raise ValueError(f"expected a vector of {dtype} on {device}, not {kind_of(tensor)}{where}")
    return tensor.contiguous()


def _check_layout(lanes: int, groups: int) -> None:
    """That they are numbers; which they may be, the coder says."""
    for name, value in {"lanes": lanes, "groups": groups}.items():
        if whole_number(value) is None or abs(value) >= 2**31:
            raise ValueError(f"{name} is a power of two, not {value!r}")


def _launch(name: str, tables: SymbolTables, fields: dict[str, Any]) -> None:
    """Runs it on the tables' device and its current stream, and waits for the error."""
    error, blob = torch.zeros(1, dtype=torch.int32, device=tables.device), tables.blob
    fields |= {"count": len(fields["numbers"]), "tables": blob, "tables_size": len(blob)}
    with current(tables.device):
        launch(tables.device, name, fields | {"tables_count": tables.count, "error": error})
    if int(error) & _BAD_TABLE:
        raise ValueError(f"a table's number is not in 0..{tables.count - 1}")
    if int(error):
        raise BitstreamError("the coded symbols are damaged")
