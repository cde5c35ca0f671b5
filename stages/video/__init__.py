"""Pixels: videos and image folders, opened safely and read frame by frame.

reader (read_frames, read_selected, check_clip), decoding (opened files to decoded frames),
video_frames and image_folder (the two kinds of clips), frames (their interface), orientation
(upright pictures), frame_count, frame_rate, frame_sampling (tau), fingerprint, file_states and
measure_files (digests), clip_input (one clip, and from clips to a cache).
"""
