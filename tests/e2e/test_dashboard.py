"""The dashboard in a real browser: sign in, see the fleet, see a failure."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from support.fleet import LINUX, Api, RunningServer, RunningWorker

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page()
        page.set_default_timeout(20_000)
        yield page
        browser.close()


def sign_in(page: Page, server: RunningServer) -> None:
    page.goto(server.url)
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Sign in").click()


def test_a_wrong_token_is_told_so(page: Page, server: RunningServer) -> None:
    page.goto(server.url)
    page.get_by_label("Token").fill("not the token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Token")).to_be_visible()


def test_an_empty_server_says_what_to_do(page: Page, server: RunningServer) -> None:
    sign_in(page, server)
    expect(page.get_by_text("No worker has registered yet")).to_be_visible()
    expect(page.get_by_text("Nothing is published yet")).to_be_visible()
    expect(page.get_by_text("Convenience mode.")).to_be_visible()


def test_the_fleet_and_a_failure_appear_by_themselves(
    page: Page,
    server: RunningServer,
    api: Api,
    build: Callable[[str], Path],
    start_worker: Callable[..., RunningWorker],
    tmp_path: Path,
) -> None:
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(page, server)
    old = build("v0.4.9")
    api.curl_upload("v0.4.9", LINUX, old)
    start_worker("lab-3", old, "--auto-update")
    row = page.get_by_role("row", name="lab-3")
    expect(row).to_contain_text("v0.4.9")
    expect(row).to_contain_text("idle")

    bad = tmp_path / "bad"
    bad.write_text("#!/bin/sh\necho '<b>no GPU</b>' >&2\nexit 1\n")
    api.curl_upload("v0.5.0", LINUX, bad)
    expect(row).to_contain_text("v0.5.0 failed: preflight")
    row.locator("summary").click()
    expect(row.locator("pre")).to_contain_text("<b>no GPU</b>")
    page.wait_for_load_state("networkidle")
    assert errors == []
