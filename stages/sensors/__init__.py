"""Skeletons that depth sensors recorded.

readers (one per format), ntu, nucla, pku; ntu_skeleton parses NTU's texts, bodies chooses the
people, segment cuts a clip out of a file.
"""
