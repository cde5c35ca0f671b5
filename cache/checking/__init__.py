"""Checks of received files: of one shard, and in a process with limits.

`check_shard` reads a file to its last byte; `sandbox` has it done by `checker` in a child process.
"""
