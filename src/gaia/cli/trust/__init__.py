"""`gaia trust`: who signs what, and whether the signatures are good for long enough."""
