"""For whoever writes another reader or writer of `.mcm`: the golden streams and the checks.

    from mcm_fast import testing

    testing.check_decoder(my_decode)     # (stream, model file) -> z, y
    testing.check_refusals(my_decode)

Golden streams of a format version are kept for ever (FORMAT.md, section 7). They need their own
model, `golden_model()`, which holds integers only.
"""

from .checks import check_decoder, check_encoder, check_refusals
from .streams import Golden, golden_model, golden_streams, latents_hash

__all__ = [
    "Golden",
    "check_decoder",
    "check_encoder",
    "check_refusals",
    "golden_model",
    "golden_streams",
    "latents_hash",
]
