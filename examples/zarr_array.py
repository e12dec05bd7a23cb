"""zarr version 3: an array of pictures whose chunks are streams."""

import tempfile

import numpy as np
import zarr

from mcm_fast.integrations.zarr import McmCodec

path = tempfile.mkdtemp() + "/slides.zarr"
options = {"shape": (4, 256, 256, 3), "chunks": (1, 128, 128, 3), "dtype": "uint8"}
array = zarr.create_array(path, **options, serializer=McmCodec(quality=70), compressors=None)
array[0] = np.full((256, 256, 3), 90, np.uint8)

again = zarr.open_array(path, mode="r")  # the codec is found by its name
print(again[0, :64, :64].mean())  # one chunk is read and decoded
