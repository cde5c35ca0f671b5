"""How a shard is stored: declared formats, HDF5, strict JSON."""
