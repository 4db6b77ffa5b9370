"""The values that everything speaks of: tags, artifacts, releases, channels, directives.

Immutable, without I/O. The words are the glossary of `docs/reference/glossary.md`.
"""
