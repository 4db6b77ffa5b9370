"""Placeholder until the worker's own main is merged: answers --version and --self-check."""

from __future__ import annotations

import sys

import click
import msgspec
import platformdirs
import semver
import structlog
import truststore
import tuf.ngclient
import urllib3

from gaia.worker.build_info import BuildInfo

_LOADED = (click, msgspec, platformdirs, semver, structlog, truststore, tuf.ngclient, urllib3)


def main() -> int:
    """Print the version, or check that everything loads."""
    if "--version" in sys.argv:
        click.echo(f"gaia-worker {BuildInfo.load().version}")
        return 0
    return 0 if "--self-check" in sys.argv else 2
