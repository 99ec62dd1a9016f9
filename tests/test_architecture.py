"""The rooms stay apart: planted imports are found, and the web processes load nothing of the worker's."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("accounts", "core", "delivery", "petitions", "pickets", "worker")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / ".venv/bin/lint-imports"), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data", "translations")
        )
    for name in ("pyproject.toml", "wsgi.py"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("petitions/services.py", "import delivery.services", "Rooms are stacked"),
        ("core/inbox.py", "import petitions.models", "Rooms are stacked"),
        ("accounts/services.py", "import petitions.services", "Rooms are stacked"),
        ("petitions/models/petitions.py", "import petitions.services", "Inside a domain"),
        ("delivery/forms.py", "import delivery.routes", "Inside a domain"),
        ("petitions/routes/pages.py", "import petitions.intake", "The web never reaches"),
        ("petitions/routes/mine.py", "import petitions.personal", "The web never reaches"),
        ("petitions/routes/signing.py", "import petitions.mailboxes", "The web never reaches"),
        ("petitions/reading.py", "import petitions.progress", "The web never reaches"),
        ("petitions/reading.py", "import petitions.routes", "Inside a domain"),
        ("delivery/routes.py", "import weasyprint", "The web never reaches"),
        ("petitions/services.py", "import core.keyring", "The web never reaches"),
        ("petitions/services.py", "import worker.pdf", "The web never reaches"),
        ("delivery/services.py", "import core.demo.stand", "Nobody imports the front door"),
        ("core/inbox.py", "import core.demo.stand", "Nobody imports the front door"),
    ],
)
def test_a_planted_import_breaks_its_contract(copy: Path, module: str, planted: str, contract: str) -> None:
    path = copy / module
    path.write_text(
        path.read_text().replace(
            "from __future__ import annotations\n", f"from __future__ import annotations\n\n{planted}\n", 1
        )
    )
    done = lint(copy)
    assert done.returncode != 0
    report = re.sub(r"\s+", " ", done.stdout)
    assert re.search(rf"{contract}[^.]*? BROKEN", report), done.stdout


@pytest.mark.parametrize("role", ["public", "console"])
def test_web_processes_load_nothing_of_the_workers(role: str, tmp_path: Path) -> None:
    (tmp_path / "session.key").write_text("x" * 44)
    environment = {
        **os.environ, "ZBOR_ROLE": role, "DATABASE_URL": "postgresql+psycopg://x@127.0.0.1/x", "REDIS_URL": "memory://",
        "ZBOR_PUBLIC_URL": "http://localhost", "ZBOR_ROOT_PUBLIC_KEY": base64.b64encode(bytes(32)).decode(), "ZBOR_TRUSTED_HOSTS": "localhost",
        "ZBOR_CONTACT": "a@example.org", "ZBOR_CONSOLE_URL": "http://localhost", "ZBOR_SECRETS_DIR": str(tmp_path),
    }  # fmt: skip
    code = "import sys, wsgi; wsgi.create_app(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    for forbidden in (
        "worker",
        "weasyprint",
        "typst",
        "core.keyring",
        "petitions.intake",
        "petitions.states",
        "petitions.register",
        "petitions.lookup",
        "petitions.personal",
        "petitions.mailboxes",
        "petitions.mails",
        "petitions.updates",
        "petitions.progress",
        "petitions.cards",
        "accounts.notices",
        "delivery.building",
        "delivery.claims",
        "core.demo",
        "pypdf",
    ):
        assert forbidden not in loaded, forbidden


def test_routes_hold_no_sql_and_no_commit() -> None:
    for path in (*ROOT.glob("*/routes.py"), *ROOT.glob("*/routes/*.py"), *ROOT.glob("*/console/*.py")):
        assert not re.search(r"sqlalchemy|\bdb\.|\.commit\(|\bselect\(", path.read_text()), path


def test_the_same_few_files_in_every_domain() -> None:
    for domain in ("petitions", "pickets", "delivery", "accounts"):
        assert {"models", "forms", "services", "routes"} <= {path.stem for path in (ROOT / domain).iterdir()}


def test_every_step_of_the_data_flow_is_where_the_architecture_page_says() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for name in re.findall(r"`([a-z_]+/[a-z0-9_/]+\.(?:py|html|css|csv|typ|toml|txt|md))`", page):
        assert (ROOT / name).exists(), name
    for function in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)\(\)`", page):
        module, _, name = function.rpartition(".")
        assert re.search(rf"def {name}\(", (ROOT / f"{module.replace('.', '/')}.py").read_text()), function


def test_no_exemption_without_a_reason() -> None:
    for path in [*ROOT.glob("*.py"), *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))]:
        for line in path.read_text().splitlines():
            if re.search(r"# (noqa|type: ignore)", line):
                assert re.search(r"# (noqa: [A-Z0-9, ]+|type: ignore\[[a-z-]+\])  # [A-Z]", line), (path, line)


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (ROOT / "docs/security.md").read_text()
    named = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", page)
    assert len(named) > 40
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text(), (path, name)
    for line in page.splitlines():
        if re.match(r"\| [RT]\d+", line):
            assert "::test_" in line or "not built" in line, line
