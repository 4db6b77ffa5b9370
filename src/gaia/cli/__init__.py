"""`gaia`: the operator's commands."""
