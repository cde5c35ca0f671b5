"""Building shards: tasks, the content-addressed store, crashes."""
