"""Training: the paper's loss, its loop and its exports. The codec never imports it."""
