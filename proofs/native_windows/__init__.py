"""`gaia worker build` in a Windows Python, with Zig for Windows."""
