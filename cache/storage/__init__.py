"""How a shard is stored: declared formats, HDF5, strict JSON, and the check of a received shard."""
