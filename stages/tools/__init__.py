"""Commands beside the pipeline: doctor, inspect, export, fuse, init."""
