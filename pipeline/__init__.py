"""How a run is described and driven. No module here decodes a picture or trains a network.

`cli` names the commands and `options` what they share.

- `params`: params.yaml and profiles
- `datasets`: adapters, how the clips of a data set are found on disk
- `index`: the table of clips, splits, leaks
- `parallel`: parallel maps over clips
- `shards`: shards built from clips, in a content-addressed store
- `cache_commands`: ``stroi cache``
"""
