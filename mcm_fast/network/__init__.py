"""The paper's network in float torch, one module a file. It knows nothing of `exact`."""
