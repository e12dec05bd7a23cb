"""MosaicML streaming: MDS shards whose column holds streams, and comes back as tensors."""

import tempfile

import torch
from streaming import MDSWriter, StreamingDataset

import mcm_fast.integrations.streaming  # noqa: F401  (MDS knows the encoding from here on)

photographs = [torch.full((3, 96, 128), 40 * i, dtype=torch.uint8) for i in range(4)]
folder = tempfile.mkdtemp()
columns = {"image": "mcm:50", "label": "int"}  # at quality 50
with MDSWriter(out=folder, columns=columns) as writer:
    for i, image in enumerate(photographs):
        writer.write({"image": image, "label": i})

if __name__ == "__main__":
    dataset = StreamingDataset(local=folder, batch_size=2)
    for sample in dataset:
        print(sample["image"].shape, sample["label"])
