"""Command ``init``: make a folder of videos a data set of the project.

- `command`: the command line
- `options`: the options, their defaults and the prompts
- `setup`: the steps, and the order in which files are written
- `foreseen`: the clips that will be quarantined
- `splits`: how the clips are split
- `crop_size`: the side of a crop, estimated from a few videos
- `links`: links to the videos below ``data/NAME/raw``
- `profile_template`: the text of the profile
"""
