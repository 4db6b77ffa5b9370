"""`gaia-server`: holds the releases, answers heartbeats, shows the fleet."""
