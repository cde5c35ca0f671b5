"""One module per pipeline stage at the top, and what only the stages use.

- `video`: pixels of videos and image folders
- `sensors`: skeletons that depth sensors recorded
- `pose`: from frames to tracked skeletons
- `mosaic`: crops and the mosaic of them
- `training`: what the training stages share
- `evaluation`: from scores to the result table
- `report_page`: the HTML pages
- `demo`: the rendered demo data set
- `tools`: commands outside the pipeline
"""
