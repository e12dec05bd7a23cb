"""`.mcm` files in a program that uses Pillow."""

import io

from PIL import Image

import mcm_fast.pillow  # noqa: F401  (Pillow knows the format from here on)

photograph = Image.radial_gradient("L").convert("RGB")
file = io.BytesIO()
photograph.save(file, "MCM", quality=60)

image = Image.open(file)  # the header alone
print(image.size, image.mode, image.info)
image.thumbnail((32, 32))  # a preview is decoded where the model has them
