"""From a file to decoded frames: opened once, checked, decoded as far as is needed.

opening (what a file must be), decoder (the sequential one), kept_open (between segments),
coded_order and selective_decoding (which pictures the wanted frames need), truncation (is the file
cut), memory_limit.
"""
