"""A whole fleet under a virtual clock: the real code, on simulated machines that fail.

What is real and what is modelled: `docs/adr/0008-deterministic-simulation.md`.
"""
