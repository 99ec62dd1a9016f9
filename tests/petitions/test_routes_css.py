"""The style sheet that shows, without a script, whom a signature goes to. `python -m tests.petitions.test_routes_css` writes it."""

from __future__ import annotations

from core.i18n import COUNTRY_CODES
from tests.conftest import ROOT

PATH = ROOT / "static" / "routes.css"
HEAD = """/* Shows, without a script, which ministry receives the signature from the country that is chosen.
   Written by `python -m tests.petitions.test_routes_css`. */
.to { display: none; }
"""


def made() -> str:
    """The sheet for all countries that one can choose."""
    rules = ",\n".join(f".sign:has([value={code}]:checked) .to-{code}" for code in sorted(COUNTRY_CODES))
    return f"{HEAD}{rules},\n.sign:has(.others :checked) .to-others {{ display: block; }}\n"


def test_the_sheet_knows_every_country() -> None:
    assert PATH.read_text(encoding="ascii") == made(), "a country came or went: write the sheet anew"


if __name__ == "__main__":
    PATH.write_text(made(), encoding="ascii")
