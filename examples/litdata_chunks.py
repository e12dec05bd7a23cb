"""LitData: chunks that hold streams, and come back as tensors."""

import tempfile

import litdata
import torch

from mcm_fast.integrations.litdata import serializers

photographs = [torch.full((3, 96, 128), 40 * i, dtype=torch.uint8) for i in range(4)]
folder = tempfile.mkdtemp()
cache = litdata.streaming.Cache(folder, chunk_size=2, serializers=serializers(quality=50))
for i, image in enumerate(photographs):
    cache[i] = {"image": image, "label": i}
cache.done()
cache.merge()

dataset = litdata.StreamingDataset(folder, serializers=serializers())
for sample in dataset:
    print(sample["image"].shape, sample["label"])
