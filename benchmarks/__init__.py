"""Measurements against nginx, side by side in one run. They print; they judge nothing."""
