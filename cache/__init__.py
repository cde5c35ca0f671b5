"""The on-disk formats of stroi: write, read, verify, share. Needs numpy and h5py only.

The readers stand at the top: `mosaics`, `skeletons`, `skeletons3d`, `weights`, `scores`, and below
them `shards`, `verify`, `manifest` and `ledger`.

- `files`: files on disk, written atomically, staged, locked, opened and digested with care
- `storage`: declared formats, HDF5, strict JSON
- `checking`: one file against its manifest, and the sandbox for received files
- `pictures`: compressed mosaics
- `share`: convert, archive, data card, publish, receive, compare
"""
