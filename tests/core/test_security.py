"""Doors, origins and headers: what holds for every page."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from accounts.permissions import Action
from core import throttles
from core.config import Role
from core.security import EVERYBODY, declared_entry, open_to
from tests.conftest import ROOT, SITE, House
from tests.factories import VALID, Factory

EVERYBODYS = {
    Role.PUBLIC: {
        "static", "petitions.index", "petitions.list_petitions", "petitions.show", "petitions.names", "petitions.history", "petitions.numbers", "petitions.numbers_as_json",
        "petitions.privacy", "petitions.contact",
        "petitions.as_json", "petitions.count", "petitions.feed", "petitions.feed_of_petitions", "petitions.embed", "petitions.qr",
        "petitions.share_card", "petitions.picture", "petitions.log", "petitions.log_heads", "petitions.log_entries", "petitions.log_check",
        "petitions.sign_form", "petitions.proof", "petitions.sign", "petitions.reload", "petitions.already_sent",
        "petitions.thanks", "petitions.type_code", "petitions.code_answer", "petitions.resend",
        "petitions.confirm", "petitions.withdraw", "petitions.not_me", "petitions.unsubscribe", "petitions.answer",
        "petitions.mine", "petitions.own_page", "petitions.change_own", "petitions.export_own",
        "petitions.ask_receipt", "petitions.receipt", "petitions.receipt_file",
        "petitions.report", "petitions.reported",
        *(f"pickets.{page}" for page in (
            "index", "country", "city", "show", "sign_here", "photo", "join", "joined", "confirm", "mine", "own_page", "act",
            "calendar", "calendar_of_all", "calendar_of_country", "calendar_of_city", "calendar_of_petition",
            "feed", "feed_of_all", "feed_of_country", "feed_of_city", "feed_of_petition", "list_as_json", "as_json", "embed", "qr",
        )),
        "verifying.verify",
        "components.index",
        "devmail.index", "devmail.show",
    },
    Role.CONSOLE: {
        "static", "accounts.login", "accounts.login_with_passkey", "accounts.reload_login", "accounts.invitation",
        "accounts.request_account", "accounts.account_requested",
    },
}  # fmt: skip


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSOLE])
def test_every_route_declares_who_may_enter(house: House, role: Role, tmp_path: Path) -> None:
    app = house.app(role, dev_mail_dir=tmp_path if role is Role.PUBLIC else None)
    for endpoint in app.view_functions:
        who = declared_entry(app, endpoint)
        assert who in {EVERYBODY, *Action}, f"{endpoint} declares nothing"
        assert (who == EVERYBODY) == (endpoint in EVERYBODYS[role]), endpoint


def test_a_route_that_declares_nothing_is_closed_to_all(house: House) -> None:
    app = house.app(Role.PUBLIC)
    app.view_functions["petitions.contact"] = lambda: "open by mistake"
    assert house.client().get("/contact").status_code == 403


FORM_PAGES = {
    "petitions.confirm", "petitions.withdraw", "petitions.not_me", "petitions.unsubscribe", "petitions.mine",
    "petitions.report", "petitions.log_check", "accounts.login", "accounts.invitation", "accounts.request_account",
    "accounts.set_up_totp", "accounts.add_passkey", "accounts.change_passphrase", "accounts.invite", "petitions_console.search", "delivery.edit_letter",
    *(f"petitions_console.{page}" for page in (
        "addressees", "edit_news", "edit_text", "hide", "new", "new_addressee", "picture", "reject", "settings", "signatories",
    )),
    "pickets.join", "pickets.confirm", "pickets.mine",
    *(f"pickets_console.{page}" for page in ("new", "edit", "cancel", "brief", "offer_help", "report", "photos", "photo")),
}  # fmt: skip
"""Pages whose GET shows a form and changes nothing. Everything else that takes a POST takes nothing else."""


def test_changes_are_never_made_by_get(house: House) -> None:
    for role in (Role.PUBLIC, Role.CONSOLE):
        for rule in house.app(role).url_map.iter_rules():
            if "POST" in (rule.methods or set()) and rule.endpoint not in FORM_PAGES:
                assert (rule.methods or set()) & {"GET", "HEAD"} == set(), rule


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 400),
        ({"Sec-Fetch-Site": "same-site"}, 400),
        ({"Sec-Fetch-Site": "none"}, 400),
        ({"Sec-Fetch-Site": None, "Origin": "https://evil.example"}, 400),
        ({"Sec-Fetch-Site": None, "Origin": "null"}, 400),
        ({"Sec-Fetch-Site": None, "Origin": None}, 400),
        ({"Sec-Fetch-Site": None, "Origin": "http://localhost:8000"}, 400),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost"}, 400),
        ({"Sec-Fetch-Site": None, "Origin": "http://localhost"}, 404),
        ({"Sec-Fetch-Site": "same-origin", "Origin": None}, 404),
    ],
)
def test_forms_are_taken_from_our_own_pages_only(house: House, headers: dict[str, str | None], status: int) -> None:
    response = house.client().post("/petitions/none/signatures", data=VALID, headers=headers)
    assert response.status_code == status


def test_other_host_names_are_refused(house: House) -> None:
    assert house.client().get("/", headers={"Host": "evil.example"}).status_code == 400


def pages(house: House, make: Factory) -> list[tuple[FlaskClient, str]]:
    slug = make.slug(make.petition())
    public, console = house.client(), house.client(Role.CONSOLE)
    paths = [
        "/",
        f"/petitions/{slug}",
        "/petitions",
        f"/petitions/{slug}/sign",
        f"/petitions/{slug}/thanks/{UUID(int=1)}",
        f"/petitions/{slug}/already-sent",
        f"/petitions/{slug}/names",
        f"/petitions/{slug}/history",
        f"/petitions/{slug}/numbers",
        f"/petitions/{slug}/embed",
        f"/petitions/{slug}/report",
        f"/petitions/{slug}/reported",
        "/petitions/none",
        "/confirm/x",
        "/withdraw/x",
        "/not-me/x",
        "/unsubscribe/x",
        "/mine/x",
        f"/mine/x/{UUID(int=1)}",
        "/privacy",
        "/contact",
        "/pickets/",
        "/pickets/in/pl",
        "/pickets/confirm/x",
        "/pickets/mine/x",
        f"/pickets/own/{UUID(int=1)}",
        "/verify",
        "/verify?code=ZB-1A2B-3C4D",
        "/nope",
    ]
    return [*((public, path) for path in paths), (console, "/login"), (console, "/nope"), (console, "/")]


def test_headers_are_on_every_page(house: House, make: Factory) -> None:
    for client, path in pages(house, make):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; "), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] in ("no-store", "public, max-age=10, stale-while-revalidate=60")
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Server" not in headers


def test_only_the_form_and_the_check_of_a_file_may_run_a_script(house: House, make: Factory) -> None:
    for client, path in pages(house, make):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        may_run = path.endswith("/sign") or path.startswith("/verify") or client.application is house.app(Role.CONSOLE)
        assert ("script-src" in policy) == may_run, path
        assert ("<script" in answer.text) <= ("script-src" in policy), path
        assert ("connect-src" in policy) <= (not path.startswith("/verify")), "a file that is checked goes nowhere"
    slug = make.slug(make.petition(countries=()))
    again = house.client().post(f"/petitions/{slug}/signatures", data=VALID | {"city": ""})
    assert again.status_code == 422
    for own in ("script-src 'self'", "worker-src 'self'", "connect-src 'self'", "style-src 'self'"):
        assert own in again.headers["Content-Security-Policy"].split("; ")


def test_no_page_has_anything_inline_or_from_elsewhere(house: House, make: Factory) -> None:
    for client, path in pages(house, make):
        html = client.get(path).text
        assert not re.search(r"<script(?! src=\"/static/)|<style|\sstyle=|\son[a-z]+=|javascript:", html), path
        for tag, address in re.findall(r'(<\w+)[^>]*?\s(?:src|href|action)="([^"]+)"[^>]*>', html):
            ours = address.startswith(("/", "#", "mailto:", f"{SITE}/"))
            # Links that pass a petition on lead elsewhere; nothing is loaded from there.
            assert ours or (tag == "<a" and address.startswith("https://")), (path, address)
        for link in re.findall(r'<a [^>]*href="https:[^>]*>', html):
            assert 'rel="noreferrer noopener"' in link, (path, link)


def test_templates_have_nothing_inline() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        if path.parent.name == "mail":
            continue  # A mail has no other place for its style, and nobody's policy to keep.
        assert not re.search(
            r"<script(?! src=\"\{\{ url_for\('static')|<style|\sstyle=|\son[a-z]+=\"|\|\s*safe", path.read_text()
        ), path


def test_stylesheets_load_nothing_from_elsewhere() -> None:
    for path in (ROOT / "static").rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:data:|https?:|//)", path.read_text()), path


def test_the_cookie_is_httponly_and_lax(house: House) -> None:
    cookie = house.client().get("/confirm/x").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.startswith("answers=")
    secure = house.client(Role.PUBLIC, secure_cookies=True).get("/confirm/x").headers["Set-Cookie"]
    assert secure.startswith("__Host-answers=")
    assert "Secure" in secure


def test_public_pages_set_no_cookie(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    shown = (
        "",
        ".json",
        "/count.json",
        "/feed.atom",
        "/embed",
        "/sign",
        "/names",
        "/history",
        "/numbers",
        "/numbers.json",
        "/qr.svg",
        "/report",
    )
    for path in ("/", "/petitions", *(f"/petitions/{slug}{one}" for one in shown), "/privacy", "/verify", "/nope"):
        assert "Set-Cookie" not in house.client().get(path).headers


def test_too_much_is_refused_as_such(house: House) -> None:
    response = house.client().post("/petitions/none/signatures", data={"name": "a" * 200_000})
    assert response.status_code in (404, 413)
    assert house.client().post("/confirm/x", data={"event_id": "a" * 200_000}).status_code == 413


def test_an_error_of_ours_shows_no_text_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError("olga@example.org typed this")

    monkeypatch.setattr("petitions.reading.list_open", broken)
    response = house.client().get("/")
    assert response.status_code == 500
    assert "olga" not in response.text
    assert "olga" not in caplog.text
    assert "RuntimeError at" in caplog.text


def test_declaration_travels_with_the_view() -> None:
    @open_to("an action")
    def view() -> str:
        return ""

    assert view.open_to == "an action"  # type: ignore[attr-defined]  # Set by the decorator.


@pytest.mark.parametrize("path", ["/petitions/%00", "/petitions/x%00y", "/confirm/%00"])
def test_a_character_that_postgresql_has_not_is_not_found(house: House, path: str) -> None:
    assert house.client().get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/petitions/%ff%fe",
        "/petitions/%F0%9F%92%A9",
        "/confirm/" + "a" * 3000,
        "/answers/confirm/x",
        "/answers/dance/1",
        "/?lang=%00",
        "/%2e%2e/etc/passwd",
    ],
)
def test_odd_addresses_are_answered_calmly(house: House, path: str) -> None:
    assert house.client().get(path).status_code in (200, 404)


@pytest.mark.parametrize("look", ["-5", "x", "99999999999999999999"])
def test_odd_counts_of_looks_are_answered_calmly(house: House, look: str) -> None:
    page = house.client().get(f"/answers/confirm/00000000-0000-0000-0000-000000000001?look={look}")
    assert page.status_code == 200


def test_a_token_of_any_length_can_be_pressed_and_is_wrong(house: House) -> None:
    client = house.client()
    token = "ы" * 2000
    page = client.get(f"/confirm/{token}")
    event = re.search(r'name="event_id"[^>]*value="([^"]+)"', page.text)
    assert event
    answer = client.post(f"/confirm/{token}", data={"event_id": event[1]})
    assert answer.status_code == 303
    house.drain()
    assert client.get(answer.location).status_code == 400


def test_odd_cookies_are_answered_calmly(house: House) -> None:
    client = house.client()
    event = "00000000-0000-0000-0000-000000000001"
    client.set_cookie("answers", "not a key")
    assert client.post("/confirm/x", data={"event_id": event}).status_code == 303
    assert client.get(f"/answers/confirm/{event}").status_code == 200


@pytest.mark.parametrize(
    "query", ["endpoint=x", "_method=POST", "_scheme=javascript", "_external=1", "slug=other", "values=1", "lang=xx"]
)
def test_no_query_reaches_the_making_of_links(
    house: House, make: Factory, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    slug = make.slug(make.petition())
    for client, path in (
        (house.client(), f"/petitions/{slug}"),
        (house.client(), "/confirm/SECRET"),
        (house.client(Role.CONSOLE), "/login"),
    ):
        page = client.get(f"{path}?{query}")
        assert page.status_code == 200
        for link in re.findall(r'hreflang="\w+"[^>]*|<a href="([^"]+)" lang', page.text):
            assert not link or link.startswith(path.split("?")[0])
    assert "SECRET" not in caplog.text


def test_an_error_page_that_fails_is_still_an_answer_and_tells_the_log_no_address(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object, **_values: object) -> str:
        raise RuntimeError("no template")

    monkeypatch.setattr("core.errors.render_template", broken)
    response = house.client().get("/confirm/SECRET/none")
    assert (response.status_code, response.text) == (404, "There is no such page\n")
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/json", b'{"event_id": 5, "name": ["x"]}'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="name"; filename="f"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("text/plain", b"x"),
    ],
)
def test_only_forms_are_taken(house: House, content_type: str, data: bytes) -> None:
    assert house.client().post("/confirm/x", data=data, content_type=content_type).status_code == 415


def test_a_broken_origin_is_not_ours(house: House) -> None:
    assert (
        house.client()
        .post("/confirm/x", data={"a": "b"}, headers={"Origin": "http://[::1", "Sec-Fetch-Site": None})
        .status_code
        == 400
    )


def test_refusals_say_what_would_be_allowed(house: House) -> None:
    assert "GET" in house.client().post("/privacy", data={"a": "b"}).headers["Allow"]


def test_one_cookie_serves_all_buttons(house: House) -> None:
    client = house.client()
    first = client.get("/confirm/x").headers["Set-Cookie"].split(";")[0]
    second = client.get("/withdraw/y").headers["Set-Cookie"].split(";")[0]
    assert first == second


def test_the_address_of_the_forms_answer_leads_back_to_the_petition(house: House, make: Factory) -> None:
    slug = make.slug(make.petition())
    response = house.client().get(f"/petitions/{slug}/signatures?text=en&lang=pl")
    assert response.location == f"/petitions/{slug}/sign?text=en&lang=pl"


def test_what_counts_attempts_holds_no_network_and_no_address(house: House) -> None:
    app = house.app(Role.CONSOLE)
    networks = []
    for address in ("192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8:1:2::3", "2001:db8:1:9::4"):
        with app.test_request_context("/login", environ_base={"REMOTE_ADDR": address}):
            networks.append(throttles.network())
            assert throttles.attempt("10 per hour", "test", "olga@example.org", throttles.network())
    assert networks[0] == networks[1] != networks[2]
    assert networks[3] == networks[4]
    kept = str(app.extensions["zbor_attempts"].storage.storage)
    assert "test" in kept
    assert "olga" not in kept
    assert "192.0.2" not in kept
