"""Trained runs on their way out of and into a project: packed as one archive, checked on arrival.

- `contents`: the files of a packed run and its card, ``run.json``
- `pack`: `stroi run export`
- `receive`: `stroi run import`
- `commands`: both commands
"""
