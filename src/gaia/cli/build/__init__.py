"""`gaia worker build`: one executable file that is a whole worker. Why so: ADR 0003."""

from gaia.cli.build.builder import Builder, build_worker

__all__ = ["Builder", "build_worker"]
