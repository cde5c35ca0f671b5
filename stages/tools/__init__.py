"""Commands outside the pipeline: doctor, inspect, export, fuse, init."""
