"""Decisions: pure functions and tables. Time and chance are arguments.

Planning never acts; execution never chooses.
"""
