"""The on-disk formats of stroi: write, read, verify. Needs numpy and h5py only."""
