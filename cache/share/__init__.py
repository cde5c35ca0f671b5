"""Sharing a cache: convert, archive, data card, publish, receive, compare."""
