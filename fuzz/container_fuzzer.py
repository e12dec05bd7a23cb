"""Any bytes through the container, under Atheris: `python fuzz/container_fuzzer.py CORPUS [options
of libFuzzer]`.

What `unpack` accepts, `pack` must write again, but for the flags that a reader ignores; anything
else must be a BitstreamError, whole, in part, or with its damage kept. Alpha must inflate to its
tile or be refused. The mutator repairs the checksums, or nothing behind them would ever be reached,
and gives the header's fields their extreme values.
"""

import random
import sys

import atheris

with atheris.instrument_imports(include=["mcm_fast.container", "mcm_fast.alpha"]):
    from mcm_fast import alpha, container
    from mcm_fast.container.checks import checksum
    from mcm_fast.container.header import parse_header
    from mcm_fast.container.source import HeaderReader

from mcm_fast.errors import BitstreamError

START = container.MAGIC + bytes([container.VERSION])
VARINTS = [b"\0", b"\x01", b"\x7f", b"\x80\x01", b"\xff\xff\xff\xff\x0f", b"\x80\0", b"\xff" * 6]
FLAGS = 5  # the place of the flags
SMALL = 2**16  # pixels of a tile whose alpha is inflated


def check(data: bytes) -> None:
    try:
        stream = container.unpack(data, max_pixels=2**64)
    except BitstreamError:
        check_damaged(data)
        return
    expected = bytearray(data)
    expected[FLAGS] &= container.MUST_UNDERSTAND
    if container.pack(stream) != repaired(bytes(expected)):
        raise AssertionError(f"pack(unpack(x)) differs from x = {data.hex()}")
    if container.info(data, verify=True)["damaged"]:
        raise AssertionError(f"damage in a whole stream {data.hex()}")
    part = container.unpack(data, 2**64, wanted=lambda header: [len(header.tiles) - 1])
    if part.tiles[-1] is None or container.read_chunks(data) != stream.chunks:
        raise AssertionError(f"a part differs from the whole {data.hex()}")
    inflate(stream)


def check_damaged(data: bytes) -> None:
    """A header alone, and what is whole behind it."""
    try:
        stream = container.unpack(data, 2**64, keep_damaged=True)
        container.info(data, verify=True)
    except BitstreamError:
        return
    missing = [index for index, tile in enumerate(stream.tiles) if tile is None]
    if missing != sorted(stream.damage):
        raise AssertionError(f"tiles {missing} are missing, {stream.damage} are told")


def inflate(stream: container.Stream) -> None:
    for data, tile in zip(stream.alpha or (), stream.places, strict=False):
        if tile.pixels <= SMALL:
            try:
                plane = alpha.decompress(data, tile.bottom - tile.top, tile.right - tile.left)
            except BitstreamError:
                continue
            if plane.size != tile.pixels:
                raise AssertionError(f"alpha of {plane.shape} for {tile}")


def repaired(data: bytes) -> bytes:
    """With checksums that fit, where the header, as far as it can be read, has them."""
    reader = HeaderReader(container.as_source(data))
    try:
        header = parse_header(reader)
    except BitstreamError:
        return data
    out = bytearray(data)
    parts = [(0, reader.position)]
    if header.total <= len(data):
        parts += [*header.chunk_places.values(), *header.tile_places]
    for start, size in parts:
        out[start + size : start + size + 4] = checksum(bytes(out[start : start + size]))
    return bytes(out)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    chance = random.Random(seed)
    body = bytearray(data)
    if chance.random() < 0.7:
        body = bytearray(atheris.Mutate(data, max_size))
    if chance.random() < 0.9:
        body[: len(START)] = START
    if chance.random() < 0.4:
        body[FLAGS : FLAGS + 1] = bytes([chance.choice((*range(16), chance.randrange(256)))])
    for _ in range(chance.randrange(3)):
        at = chance.randrange(16, 64)
        body[at : at + 1] = chance.choice(VARINTS)
    if chance.random() < 0.2:
        body += bytes(chance.randrange(64))
    body = body[:max_size]
    return repaired(bytes(body)) if chance.random() < 0.9 else bytes(body)


def main() -> None:
    command = f"{sys.executable} {__file__}"  # how a merge starts its children
    atheris.Setup([command, *sys.argv[1:]], check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
