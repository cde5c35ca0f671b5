"""Adapters: how the clips of a data set are found on disk.

`registry` has them by name, `listing` says what each returns; `table`, `segments` and `folders` are
what several share.
"""
