"""A clerk holds a file against what the site knows: chosen, dropped, or by the code alone; and the file never leaves the browser."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Complaints, Site, press

pytestmark = pytest.mark.processes

DROP = """([bytes, where]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'volume.pdf', { type: 'application/pdf' }));
    const on = document.querySelector(where);
    for (const type of ['dragover', 'drop']) {
        const event = new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data });
        if (on.dispatchEvent(event)) throw new Error(type + ' would leave the page');
    }
}"""


@pytest.fixture(scope="module")
def volume(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first volume of the bundle that is ready, as its coordinator takes it away."""
    coordinator = site.staff["coordinator"]
    site.freshen()
    page = coordinator.get(site.url("{bundle}"))
    answer = coordinator.submit(page, page.forms("/downloads")[0])
    while "Refresh" in answer.headers:
        answer = coordinator.get(answer.url.split("?")[0])
    archive = tmp_path_factory.mktemp("taken") / "bundle.zip"
    archive.write_bytes(answer.body)
    with ZipFile(archive) as packed:
        name = next(one for one in packed.namelist() if one.endswith("-001-register.pdf"))
        return Path(packed.extract(name, archive.parent))


class Watch:
    """What a page sends."""

    def __init__(self, page: Page) -> None:
        self.sent: list[Request] = []
        page.on("request", lambda request: self.sent.append(request))

    def bodies(self) -> list[Request]:
        """Requests with a body, or to anything but a page and its static files."""
        return [one for one in self.sent if one.method != "GET" or one.post_data]


@pytest.mark.parametrize("way", ["chosen", "dropped on the box", "dropped beside it", "by the keyboard"])
def test_a_file_is_recognised_and_stays_in_the_browser(
    site: Site, visit: Callable[..., Page], volume: Path, way: str
) -> None:
    page = visit()
    complaints, watch = Complaints(page, site.addresses["site"]), Watch(page)
    page.goto(site.url("{site}/verify"))
    box = page.get_by_label("Choose the file, or drop it anywhere on this page")
    expect(box).to_be_visible()
    expect(page.get_by_text("The file stays with you")).to_be_visible()
    with page.expect_navigation():
        if way == "chosen":
            box.set_input_files(volume)
        elif way == "by the keyboard":
            with page.expect_file_chooser() as choosing:
                box.press("Space")
            choosing.value.set_files(volume)
        else:
            page.evaluate(DROP, [list(volume.read_bytes()), "#file-box" if "box" in way else "footer"])
    file_hash = hashlib.sha256(volume.read_bytes()).hexdigest()
    assert f"code={file_hash}" in page.url
    expect(page.get_by_role("status").first).to_contain_text("This file is authentic")
    expect(page.get_by_role("textbox", name="Code on the paper")).to_have_value(file_hash)
    assert watch.bodies() == []
    assert complaints.found == []


def test_a_flipped_bit_is_found_and_the_page_of_the_code_tells_the_right_hash(
    site: Site, visit: Callable[..., Page], volume: Path, tmp_path: Path
) -> None:
    content = bytearray(volume.read_bytes())
    content[len(content) // 2] ^= 1
    altered = tmp_path / "altered.pdf"
    altered.write_bytes(content)
    page = visit()
    page.goto(site.url("{site}/verify?code={bundle_code}-1"))
    expect(page.get_by_role("status").first).to_contain_text("decides")
    expect(page.locator("code.key")).to_have_text(hashlib.sha256(volume.read_bytes()).hexdigest())
    with page.expect_navigation():
        page.get_by_label("Choose the file").set_input_files(altered)
    expect(page.get_by_role("alert")).to_contain_text("We do not know this file")


def test_a_file_of_any_kind_is_reckoned_and_one_that_cannot_be_read_says_so(
    site: Site, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    (tmp_path / "empty.txt").touch()
    page.goto(site.url("{site}/verify"))
    with page.expect_navigation():
        page.get_by_label("Choose the file").set_input_files(tmp_path / "empty.txt")
    assert hashlib.sha256(b"").hexdigest() in page.url
    page.goto(site.url("{site}/verify"))
    page.evaluate("() => { Blob.prototype.arrayBuffer = () => Promise.reject(new Error('gone')) }")
    page.get_by_label("Choose the file").set_input_files(tmp_path / "empty.txt")
    expect(page.get_by_text("The file could not be read")).to_be_visible()
    expect(page.get_by_text("Reckoning …")).to_be_hidden()


def test_without_scripts_the_command_is_told_and_its_answer_can_be_pasted(
    site: Site, visit: Callable[..., Page], volume: Path
) -> None:
    page = visit(java_script_enabled=False)
    page.goto(site.url("{site}/verify?lang=pl"))
    expect(page.locator("#file-box")).to_be_hidden()
    page.goto(site.url("{site}/verify"))
    page.get_by_text("How to reckon the SHA-256 of a file yourself").click()
    expect(page.get_by_text("certutil -hashfile")).to_be_visible()
    told = subprocess.run(["sha256sum", volume.name], cwd=volume.parent, capture_output=True, text=True, check=True)
    page.get_by_role("textbox", name="Code on the paper").fill(told.stdout)
    assert press(page, "Check").status == 200
    expect(page.get_by_role("status").first).to_contain_text("This file is authentic")


def test_where_browsers_do_not_reckon_the_box_stays_away(site: Site, visit: Callable[..., Page]) -> None:
    page = visit()
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto(site.url("{site}/verify"))
    expect(page.locator("#file-box")).to_be_hidden()
    expect(page.get_by_role("textbox", name="Code on the paper")).to_be_visible()
