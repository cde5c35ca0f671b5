"""From scores to the table of results.

- `methods`: the rows of the table as data, the paper's seven and those of plug-ins
- `ground_truth`: the test clips that no stage lost, and their labels
- `predictions`: the scores of every method for these clips
- `comparisons`: one row against another, clip by clip
- `table`: accuracies, intervals and comparisons: what `table.json` holds
- `result_files`: the files of stage ``ensemble``, written and read
"""
