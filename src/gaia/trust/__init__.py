"""Trust: The Update Framework (TUF 1.0.34), on python-tuf.

`repository` signs on the operator's side, `client` verifies on the worker's.
"""
