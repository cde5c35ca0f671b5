"""Spatio-temporal regions of interest: crop (eq. 1) around a joint, and cut, the mosaic of them."""
