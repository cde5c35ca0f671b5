"""The networks and how they train. Knows `stroi.cache` alone.

Read `train_gcn`, `train_resnet` and `loop` from top to bottom: they are the method. `score_gcn` and
`score_resnet` score what was trained; `config` declares every setting, and `plugins` finds what is
chosen by name, such as the networks in `networks`.

- `models`: the networks
- `data`: from caches to batches
- `run`: what carries a training: processes, progress, checkpoints, EMA, losses, the run key
- `network_files`: networks on disk
- `metrics`: accuracy, significance, late fusion
"""
