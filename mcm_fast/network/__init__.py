"""The paper's network in float torch, one module a file. Training trains this; it knows no integers."""
