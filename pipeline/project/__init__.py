"""A project: the folder that ``stroi new`` writes and ``stroi upgrade`` keeps in step with stroi.

- `template`: the files of a project, as stroi ships them
- `create`: ``stroi new``
- `upgrade`: what another version of stroi changes in a project

``files/`` has the files themselves. Most are links to those of this repository, which is a project
like any other.
"""
