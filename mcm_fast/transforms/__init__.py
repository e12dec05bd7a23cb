"""The network's two transforms over whole images: tiles, memory layout, half precision."""
