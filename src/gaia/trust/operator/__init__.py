"""The offline side of trust: the operator's keys, and what is signed with them.

Runs on the operator's machine, never on a server or worker: nothing there imports it.
"""
