"""`gaia-worker`: stays on the release that its operator signed."""
