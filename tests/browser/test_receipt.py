"""A signer takes a receipt, looks it up on the page, and has it checked by a script that knows nothing of us."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PETITION, Site, press
from tests.browser.scenes import over
from tests.conftest import ROOT

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("mine", [False, True])
def test_a_receipt_is_verified_by_the_page_and_by_the_script(
    site: Site, known_at: Callable[[str], Page], tmp_path: Path, mine: bool
) -> None:
    page = known_at("site")
    page.goto(site.url("{own_page}"))
    if mine:
        page.get_by_role("checkbox", name="The file also proves that it is mine").check()
    over(page, press(page, "Get a receipt"))
    line = page.get_by_role("textbox", name="The short receipt: a line to copy. It names nobody.").input_value()
    with page.expect_download() as taking:
        page.get_by_role("link", name="Take the receipt as a file (JSON)").click()
    taking.value.save_as(tmp_path / "receipt.json")

    page.get_by_role("link", name="Look it up").click()
    page.get_by_role("textbox", name="Line of the receipt").fill(line)
    press(page, "Look up")
    expect(page.get_by_role("status")).to_contain_text("This signature is counted")
    assert line not in page.url

    # As somebody does it who has the script from the page of the log, and nothing else of ours.
    page.get_by_role("link", name="The log of the signatures").click()
    with page.expect_download() as taking:
        page.get_by_role("link", name="zbor-verify.py").click()
    taking.value.save_as(tmp_path / "zbor-verify.py")
    assert (tmp_path / "zbor-verify.py").read_bytes() == (ROOT / "static" / "zbor-verify.py").read_bytes()
    root_key = site.stand.environment("public")["ZBOR_ROOT_PUBLIC_KEY"]
    assert root_key in page.get_by_role("textbox", name="Run it. It fetches every line").input_value()
    log = site.url(f"{{site}}/petitions/{PETITION}/log")
    done = subprocess.run(
        [sys.executable, "-I", "zbor-verify.py", "receipt", "receipt.json", "--log", log, "--root-key", root_key],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of the log is that of this receipt; the signature is counted" in done.stdout
    assert ("olga@example.org" in done.stdout) == mine
