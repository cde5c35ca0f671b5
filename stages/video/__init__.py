"""Pixels: videos and image folders, opened safely and read frame by frame.

reader (read_frames, read_selected, check_clip), decoder, truncation (is the file cut), orientation
(upright pictures), image_folder, frames (their interface), frame_sampling (tau), fingerprint
(digests), clip_input (one clip, and from clips to a cache), memory_limit.
"""
