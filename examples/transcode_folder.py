"""A folder of pictures -> WebDataset shards of streams; run again, it goes on.

The same as `mcm-fast transcode pictures shards --to tar --quality 50`.
"""

import tempfile
from pathlib import Path

from PIL import Image

from mcm_fast.transcoding import Job, Work, run

folder = Path(tempfile.mkdtemp())
(folder / "pictures").mkdir()
for i in range(4):
    Image.radial_gradient("L").resize((96, 64 + i)).save(folder / "pictures" / f"{i}.png")

job = Job(str(folder / "pictures"), str(folder / "shards"), Work(quality=50), "tar", size=2)
for facts in run(job, lambda items, work: map(work, items)):
    print(facts["key"], facts["bytes"], facts["psnr"])
