"""What the proxy of compose.yaml may write down: nothing of who asks, and no form."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from core.config import Role
from petitions.console.editor import WITH_PICTURE
from tests.conftest import ROOT, House

RULES = ROOT / "core" / "proxy"
NGINX = "/usr/sbin/nginx"
UNITS = {"k": 1024, "m": 1024 * 1024}


def said(file: str, name: str) -> str:
    found = re.findall(rf"^\s*{name} (.+);", (RULES / file).read_text(), re.MULTILINE)
    assert len(found) == 1, name
    return str(found[0])


def size(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def test_no_form_touches_a_disk_and_none_is_longer_than_the_application_takes(house: House) -> None:
    longest = house.app(Role.PUBLIC).config["MAX_CONTENT_LENGTH"]
    assert size(said("http.conf", "client_max_body_size")) == longest
    assert size(said("http.conf", "client_body_buffer_size")) > longest
    assert said("http.conf", "proxy_max_temp_file_size") == "0"
    assert size(said("console.conf", "client_max_body_size")) >= WITH_PICTURE
    assert said("console.conf", "proxy_request_buffering") == "off"
    assert "client_max_body_size" not in (RULES / "public.conf").read_text()


def test_nothing_is_written_down_of_who_asks() -> None:
    assert said("http.conf", "access_log") == "off"
    for file in ("http.conf", "nginx.conf"):
        assert said(file, "error_log") == "stderr emerg", "at any other level it tells the visitor's address"
    for file in ("public.conf", "console.conf"):
        assert "_log" not in (RULES / file).read_text()


def test_only_the_public_site_is_kept_and_nothing_is_kept_against_the_applications_word() -> None:
    everything = "".join(path.read_text() for path in RULES.glob("*.conf"))
    for word in ("proxy_ignore_headers", "proxy_cache_valid", "proxy_no_cache", "proxy_hide_header"):
        assert word not in everything
    assert "proxy_cache " not in (RULES / "console.conf").read_text()


def test_nginx_understands_the_rules(tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    servers = "".join(
        f"server {{ listen 127.0.0.1:1{port}; include {RULES}/{name}.conf; }}\n"
        for port, name in ((8001, "public"), (8002, "console"))
    )
    ups = "upstream web { server 127.0.0.1:9; } upstream console { server 127.0.0.1:9; }"
    config.write_text(f"pid {tmp_path}/pid; events {{}}\nhttp {{ include {RULES}/http.conf; {ups}\n{servers} }}")
    done = subprocess.run([NGINX, "-t", "-e", "stderr", "-c", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
