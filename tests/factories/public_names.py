"""What ``import stroi`` promises."""

PUBLIC = {
    "MosaicDataset",
    "Run",
    "StroiError",
    "__version__",
    "load_run",
    "open_index",
    "open_mosaics",
    "open_scores",
    "open_skeletons",
    "open_skeletons3d",
    "open_weights",
}
"""A name that leaves this list breaks somebody's program: say so in the changelog."""

RUN = {
    "classes",
    "folder",
    "graph_network",
    "metrics",
    "name",
    "networks",
    "params",
    "predict",
    "rgb_network",
    "scores",
    "seeds",
    "weights",
}
