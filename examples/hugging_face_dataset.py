"""Hugging Face datasets: compress a column of images, decode it on access."""

import datasets
from PIL import Image

from mcm_fast.integrations.datasets import decode, encode

photographs = [Image.radial_gradient("L").convert("RGB")] * 2
features = datasets.Features({"image": datasets.Image()})
dataset = datasets.Dataset.from_dict({"image": photographs}, features=features)
dataset = dataset.map(encode("image", "mcm", quality=50), batched=True, remove_columns="image")
dataset.set_transform(decode("mcm", "torch"))
print(dataset[0]["mcm"].shape)  # uint8 (C, H, W)
