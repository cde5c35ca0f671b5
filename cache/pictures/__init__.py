"""Compressed mosaics: codecs, picture headers, the compact form of a shard."""
