"""What loops cost in machine code, as cuobjdump prints it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator

Instruction = tuple[int, str]  # address, text

_LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(.*?);")
_BRANCH = re.compile(r"(@!?U?P\w+ )?(BRA[.\w]*|BRX[.\w]*|EXIT|RET[.\w]*)\b(?:.*?(0x[0-9a-f]+))?")
_REGISTER = re.compile(r"\bU?(?:R\d+|P\d|PT|RZ)\b")


def disassembled(cubin: bytes) -> dict[str, list[Instruction]]:
    """The instructions of each kernel."""
    from triton import knobs

    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "-sass", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parts = (part.split("\n", 1) for part in text.split("Function : ")[1:])
    return {
        name.strip(): [(int(at, 16), code.strip()) for at, code in _LINE.findall(body)]
        for name, body in parts
    }


def loops(instructions: list[Instruction]) -> Iterator[list[str]]:
    """Of each loop the shortest way round: what is executed when nothing rare happens."""
    places = {address: i for i, (address, _) in enumerate(instructions)}
    for i, (address, text) in enumerate(instructions):
        branch = _BRANCH.match(text)
        target = int(branch[3], 16) if branch and branch[3] else None
        if target in places and target <= address:
            way = _shortest(instructions, places, places[target], i)
            if way:
                yield [instructions[j][1] for j in way]


def _shortest(instructions: list[Instruction], places: dict[int, int], first: int, last: int):
    before, queue = {first: first}, deque([first])
    while queue and last not in before:
        here = queue.popleft()
        for after in _successors(instructions[here][1], places, here):
            if after < len(instructions) and after not in before:
                before[after] = here
                queue.append(after)
    if last not in before:
        return None
    way = [last]
    while way[-1] != first:
        way.append(before[way[-1]])
    return way[::-1]


def _successors(text: str, places: dict[int, int], here: int) -> list[int]:
    branch = _BRANCH.match(text)
    if not branch or text.startswith("@!PT"):
        return [here + 1]
    always = not branch[1] and branch[2] != "BRA.DIV"
    target = places.get(int(branch[3], 16)) if branch[3] else None
    return ([] if always else [here + 1]) + ([] if target is None else [target])


def count(way: list[str], name: str) -> int:
    """How many instructions of a way are called so."""
    return sum(_operation(text).startswith(name) for text in way)


def loads_in_a_row(way: list[str]) -> int:
    """The longest chain of loads from shared memory, each of which waits for the one before."""
    depth: dict[str, int] = {}
    for text in way:
        names = _REGISTER.findall(text)
        guard = _REGISTER.findall(text.split(" ")[0]) if text.startswith("@") else []
        names = names[len(guard) :]
        operation = _operation(text)
        made = 2 if operation.startswith(("ISETP", "PLOP3")) else 1
        written, read = names[:made], names[made:]
        waits = max((depth.get(name, 0) for name in (*read, *guard)), default=0)
        if operation.startswith("LDS"):
            waits += 1
            if operation.startswith("LDS.64"):
                written = [written[0], f"R{int(written[0][1:]) + 1}"]
        if operation.startswith(("ST", "BRA", "BSSY", "BSYNC")):
            written = []
        for name in {*written} - {"PT", "RZ", "UPT", "URZ"}:
            depth[name] = max(waits, depth.get(name, 0) if guard else 0)
    return max(depth.values(), default=0)


def _operation(text: str) -> str:
    return re.sub(r"^@!?U?P\w+ ", "", text).split(" ")[0]
