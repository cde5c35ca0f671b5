"""Spatial-temporal regions of interest: which frames, which crops, and the mosaic of them."""
