"""WebDataset: write a shard of `.mcm` members, read it with a DataLoader's workers."""

import tempfile

import numpy as np
import webdataset as wds
from torch.utils.data import DataLoader

from mcm_fast.integrations.webdataset import decoder, encoder

photographs = [np.full((96, 128, 3), 40 * i, np.uint8) for i in range(4)]
shard = tempfile.mkdtemp() + "/000000.tar"
with wds.TarWriter(shard, encoder=encoder(quality=50)) as writer:
    for i, image in enumerate(photographs):
        writer.write({"__key__": f"{i:06}", "mcm": image, "cls": i})

if __name__ == "__main__":
    dataset = wds.WebDataset(shard, shardshuffle=False).decode(decoder("torch"))
    for image, label in DataLoader(dataset.to_tuple("mcm", "cls"), batch_size=2, num_workers=1):
        print(image.shape, label)  # uint8 (N, C, H, W)
