"""From frames to tracked skeletons: estimators, joint layouts, identity over time."""
