"""`gaia demo`: the main job, for real, on one machine."""
