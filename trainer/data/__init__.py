"""From caches to batches: skeleton input, augmentation, the mosaic loader."""
