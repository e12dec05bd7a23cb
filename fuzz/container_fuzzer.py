"""Any bytes through the container, under Atheris: `python fuzz/container_fuzzer.py CORPUS [options
of libFuzzer]`.

What `unpack` accepts, `pack` must write again, but for the flags that a reader ignores; anything
else must be a BitstreamError. The mutator repairs the checksum, or nothing behind it would ever be
reached, and gives the header's fields their extreme values.
"""

import random
import struct
import sys

import atheris

with atheris.instrument_imports(include=["mcm_fast.container"]):
    from mcm_fast import container

from mcm_fast import _C
from mcm_fast.errors import BitstreamError

START = container.MAGIC + bytes([container.VERSION])
VARINTS = [b"\0", b"\x01", b"\x7f", b"\x80\x01", b"\xff\xff\xff\xff\x0f", b"\x80\0", b"\xff" * 6]
IGNORED = 0xFF ^ container.IGNORABLE_FLAGS


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", _C.crc32c(body))


def check(data: bytes) -> None:
    try:
        stream = container.unpack(data, max_pixels=2**64)
    except BitstreamError:
        return
    expected = bytearray(data[:-4])
    expected[5] &= IGNORED
    if container.pack(stream) != sealed(bytes(expected)):
        raise AssertionError(f"pack(unpack(x)) differs from x = {data.hex()}")
    container.info(data)


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    chance = random.Random(seed)
    body = bytearray(data[:-4])
    if chance.random() < 0.7:
        body = bytearray(atheris.Mutate(data[:-4], max_size - 4))
    if chance.random() < 0.9:
        body[: len(START)] = START
    if chance.random() < 0.4:
        body[5:6] = bytes([chance.choice((0, 1, 2, 3, chance.randrange(256)))])
    for _ in range(chance.randrange(3)):
        at = chance.randrange(16, 64)
        body[at : at + 1] = chance.choice(VARINTS)
    if chance.random() < 0.2:
        body += bytes(chance.randrange(64))
    return sealed(bytes(body[: max_size - 4]))


def main() -> None:
    command = f"{sys.executable} {__file__}"  # how a merge starts its children
    atheris.Setup([command, *sys.argv[1:]], check, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
