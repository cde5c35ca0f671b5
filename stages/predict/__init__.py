"""What a trained run says of new videos: recipe, clips, networks, windows, pictures of the answer.

`run` and `clips` are for programs, `command` is for the command line. `exported` needs no torch.
"""
