"""Ray Data: compress a column on actors that keep their model, and decode it again."""

import numpy as np
import ray

from mcm_fast.integrations.ray import Compress, Decompress

photographs = [{"image": np.full((96, 128, 3), 40 * i, np.uint8), "id": i} for i in range(4)]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
streams = ray.data.from_items(photographs).map_batches(
    Compress, fn_constructor_kwargs={"quality": 50}, batch_size=2, concurrency=1
)  # num_gpus=1 for actors with a GPU each
streams = streams.drop_columns(["error"]).materialize()
images = streams.map_batches(Decompress, batch_size=2, concurrency=1)
print([row["image"].shape for row in images.take_all()])
