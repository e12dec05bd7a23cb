"""A data set of pictures, in a folder, tar shards or parquet -> the same data set of streams.

    sources    which pieces of work a source has, and the samples of each
    work       a picture -> a stream, and what the manifest says of it
    targets    the samples of a piece -> files
    job        what has been done, and what is left: a job that was killed goes on
    on_ray     the same job on a cluster

A piece is read, compressed and written on its own. Its files appear whole, and after them its part
of the manifest: a piece without that is done again, with the same result.
"""

from .job import Job, run
from .work import Work

__all__ = ["Job", "Work", "run"]
