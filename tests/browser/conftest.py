"""One stand for all browser tests, with everything in it that a page can show, and Debian's Chromium in front of it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import urljoin
from uuid import UUID, uuid4

import psycopg
import pytest
import redis
from babel.messages.pofile import read_po
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from core.demo.browser import Browser as Visitor
from core.demo.browser import Page as Answer
from core.demo.staff import Robot
from core.demo.stand import Ports, Stand
from core.queues import TaskName, make_celery
from delivery.models import bundle_code
from tests.browser import creating, petitions, street
from tests.browser.waiting import until
from tests.conftest import ROOT

ROLES = ("administrator", "coordinator", "reviewer", "organiser")
WORDS = "fjord candle zebra moss"
PETITION = "no-recognition"
PHONE = {"width": 360, "height": 800}
SIGNER = "Вольга Вераб’ёва"
COUNTRY, MINISTRY = "BE", "Federal Public Service Foreign Affairs, Foreign Trade and Development Cooperation"
"""The seeded signer's; its address is not certain, so that the pages have something to say about it."""

ARGUMENTS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",  # A page that wants something from elsewhere gets an error.
]  # fmt: skip


@dataclass
class Site:
    """The running stand, what has been put into it, and the addresses and cookies that lead there."""

    stand: Stand
    addresses: dict[str, str] = field(default_factory=dict)
    visitor: Visitor = field(default_factory=Visitor)
    staff: dict[str, Visitor] = field(default_factory=dict)
    """People of the console who are logged in, by role; `newcomer` has opened an invitation and has no second factor yet."""

    def url(self, address: str) -> str:
        """An address of the table, `{site}/confirm/{token}`, with everything filled in."""
        return address.format(**self.addresses)

    def database(self) -> psycopg.Connection[Any]:
        """A connection past all grants."""
        return self.stand.postgres.connect("postgres")

    def mail_to(self, address: str, which: int = 0) -> tuple[int, EmailMessage]:
        """Number and content of the first mail that was caught for an address, or of a later one, once it is there."""

        def look() -> tuple[int, EmailMessage] | None:
            found = []
            for path in sorted(self.stand.mails.glob("*.eml")):
                message = message_from_bytes(path.read_bytes(), policy=policy.default)
                if message["To"] == address:
                    found.append((int(path.stem), message))
            return found[which] if len(found) > which else None

        found: tuple[int, EmailMessage] = until(f"the mail to {address}", look)
        return found

    def told(self, address: str, which: int = 0) -> dict[str, str]:
        """What a mail to an address brings, by its plain part: its links by the first word of their path, and `code`."""
        body = self.mail_to(address, which)[1].get_body(("plain",))
        assert body
        text = body.get_content()
        links = {word: link for link, word in re.findall(r"(http://[^/\s]+/([a-z-]+)/\S+)", text)}
        code = re.search(r"^\s*(\d{3}) (\d{3})\s*$", text, re.MULTILINE)
        return links | ({"code": code[1] + code[2]} if code else {})

    def forget_attempts(self) -> None:
        """Forget how often somebody logged in: the tests do it more often than people may."""
        with redis.Redis.from_url(self.stand.valkey.url) as store:
            for key in store.scan_iter("LIMITS*"):
                store.delete(key)

    def freshen(self) -> None:
        """As if everybody who is logged in had proved a moment ago who they are."""
        with self.database() as db:
            db.execute("UPDATE sessions SET proved_at = now()")

    def write_log(self) -> None:
        """Have the logs take what waits for others now, and not after a day."""

        def is_written() -> bool:
            with self.database() as db:
                db.execute(
                    "UPDATE logs SET waiting_since = now() - interval '25 hours' WHERE waiting_since IS NOT NULL"
                )
                db.commit()
                make_celery(self.stand.valkey.url, socket_timeout=5.0).send_task(TaskName.PETITIONS)
                newest = "SELECT in_log FROM signatures WHERE state = 'counted' ORDER BY counted_at DESC LIMIT 1"
                return db.execute(newest).fetchone() == (True,)

        until("the log", is_written)

    def invite(self, email: str, *options: str) -> str:
        """The link of an invitation, as the command line makes it."""
        return self.stand.flask("console", "invite", email, "--name", "Newcomer", *options).strip()

    def agree(self, bundle_page: str) -> None:
        """The reviewer agrees to the bundle of this page."""
        path = re.search(r'href="(/approvals/[0-9a-f-]+)"', bundle_page)
        assert path
        self.freshen()
        reviewer = self.staff["reviewer"]
        page = reviewer.get(f"{self.addresses['console']}{path[1]}")
        assert reviewer.submit(page, page.forms("/approvals/")[0], {"decision": "approve"}).status == 200

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """The public site loses its database, and may not connect again until the end."""
        with self.database() as db:
            db.execute("ALTER ROLE zbor_web CONNECTION LIMIT 0")
            db.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'zbor_web'")
            try:
                yield
            finally:
                db.execute("ALTER ROLE zbor_web CONNECTION LIMIT -1")

    @contextmanager
    def changed(self, change: str, back: str) -> Iterator[None]:
        """Circumstances that one statement makes and another ends."""
        with self.database() as db:
            db.execute(change)
            try:
                yield
            finally:
                db.execute(back)

    @contextmanager
    def no_mails(self) -> Iterator[None]:
        """No mail was caught yet."""
        aside = self.stand.mails.with_name("aside")
        self.stand.mails.rename(aside)
        self.stand.mails.mkdir()
        try:
            yield
        finally:
            self.stand.mails.rmdir()
            aside.rename(self.stand.mails)


def _answer_of(visitor: Visitor, link: str, action: str = "", **typed: str) -> str:
    """Send the form of a page that a mail leads to, wait for the result. Returns the address of the answer."""
    page = visitor.get(link)
    asked = visitor.submit(page, page.forms(action)[0], typed)
    until("the answer", lambda: "Refresh" not in visitor.get(asked.url).headers)
    return asked.url.split("?")[0]


def _signed(site: Site, email: str, **changes: str) -> dict[str, str]:
    """Sign. Returns what the mail brings, and the page that the form led to as `thanks`."""
    page = site.visitor.get(site.url(f"{{site}}/petitions/{PETITION}/sign"))
    typed = {"name": SIGNER, "email": email, "country": COUNTRY, "city": "Bruxelles / Brussel"}
    typed |= {"visibility": "public", "updates": "y", **changes}
    led_to = site.visitor.submit(page, page.forms("/signatures")[0], typed, follow=False)
    assert led_to.status == 303
    return site.told(email) | {"thanks": urljoin(page.url, led_to.headers["Location"])}


def _fill(site: Site) -> None:
    """People sign, confirm and withdraw; a coordinator takes a bundle away. What cannot be waited for is written."""
    known, visitor, coordinator = site.addresses, site.visitor, site.staff["coordinator"]
    olga = _signed(site, "olga@example.org")
    known["counted"] = _answer_of(visitor, olga["confirm"])
    known["mail"] = str(site.mail_to("olga@example.org")[0])
    known["mine"] = olga["mine"]
    gone = _signed(site, "gone@example.org")
    _answer_of(visitor, gone["confirm"])
    known["withdrawn"] = _answer_of(visitor, gone["mine"].replace("/mine/", "/withdraw/"))
    known["invalid"] = _answer_of(visitor, gone["confirm"])
    known["own_page"] = _answer_of(visitor, olga["mine"])
    known["early_receipt"] = _answer_of(visitor, known["own_page"], "/receipt")
    # As if a day had passed: the next signature that is counted wakes whoever writes the log.
    with site.database() as db:
        db.execute(
            "INSERT INTO logs SELECT id, now() - interval '2 days' FROM petitions ON CONFLICT (petition_id)"
            " DO UPDATE SET waiting_since = excluded.waiting_since"
        )
    known["not_mine"] = _answer_of(visitor, gone["mine"])
    known["erased"] = _answer_of(visitor, _signed(site, "stranger@example.org")["not-me"])
    undecided = _signed(site, "undecided@example.org")
    known |= {name: undecided[name] for name in ("confirm", "thanks")}
    known |= {"withdraw": undecided["mine"].replace("/mine/", "/withdraw/"), "not_me": undecided["not-me"]}
    by_code = _signed(site, "kodam@example.org", visibility="initials")
    known["coded"] = _answer_of(visitor, by_code["thanks"], "/code", code=by_code["code"])
    with site.database() as db:
        until("the log", lambda: db.execute("SELECT 1 FROM tree_heads").fetchone())
    known["receipt"] = _answer_of(visitor, known["own_page"], "/receipt")
    known["own_receipt"] = _answer_of(visitor, known["own_page"], "/receipt", mine="y")
    line = re.search(r"zbor1:[a-z0-9:-]+", visitor.get(known["receipt"]).text)
    assert line
    known["line"] = line[0]

    with site.database() as db:

        def value(statement: str, *values: object) -> Any:
            row = db.execute(statement, values).fetchone()
            return row and row[0]

        petition = value("SELECT id FROM petitions WHERE slug = %s", PETITION)
        petitions.add_all(db)
        everything = value("SELECT id FROM petitions WHERE slug = 'everything'")
        known["held"] = f"{known['console']}/petitions/{everything}/held"
        known["burst"] = f"{known['held']}/domain_burst-{value('SELECT max(id) FROM bursts')}"
        waiting = value("SELECT id FROM decisions WHERE state = 'waiting'")
        rejected = value("SELECT id FROM decisions WHERE kind = 'reject' AND state = 'done'")
        known["decision"], known["rejection"] = (f"{known['held']}/decisions/{one}" for one in (waiting, rejected))
        news = petitions.add_news(db, petition, {"en": "The first answer"}, "0 days")
        db.execute("INSERT INTO mailings (news_id) VALUES (%s)", (news,))
        ministry = value("SELECT id FROM addressees WHERE country_code = %s", COUNTRY)
        known["petition"] = f"{known['console']}/petitions/{petition}"
        known["new_bundle"] = f"{known['petition']}/addressees/{ministry}/bundles"
        page = coordinator.get(known["new_bundle"])
        bundle = coordinator.submit(page, page.forms("/bundles")[0], {"level": "names"})
        known["bundle"] = bundle.url.split("?")[0]
        known["asked"] = f"{known['console']}{re.findall(r'/approvals/[0-9a-f-]+', bundle.text)[0]}"
        site.agree(bundle.text)

        closed = value(
            "INSERT INTO petitions (slug, state, fallback_addressee_id, opens_at, created_at) SELECT 'closed', 'closed',"
            " fallback_addressee_id, opens_at, created_at - interval '1 day' FROM petitions WHERE id = %s RETURNING id",
            petition,
        )
        known["closed"] = f"{known['console']}/petitions/{closed}"
        db.execute(
            "INSERT INTO petition_texts (petition_id, language, title, summary, body_markdown, body_html, hash)"
            " SELECT %s, language, 'What is over', summary, body_markdown, body_html, repeat('0', 64)"
            " FROM petition_texts WHERE petition_id = %s AND language = 'en'",
            (closed, petition),
        )
        db.execute("INSERT INTO petition_addressees VALUES (%s, %s)", (closed, ministry))
        robot = "FROM accounts WHERE email = 'robot-coordinator@example.org'"

        def another_bundle(state: str) -> str:
            row = value(
                f"INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by) SELECT %s, %s, %s, %s, id {robot} RETURNING id",
                uuid4(), closed, ministry, state,
            )  # fmt: skip
            return f"{known['console']}/bundles/{row}"

        def like_the_first(state: str) -> str:
            """Another bundle with the same volumes, and files that are its own."""
            first, new = known["bundle"].rsplit("/", 1)[1], uuid4()
            db.execute(
                "INSERT INTO bundles (id, petition_id, addressee_id, state, requested_by, cutoff_at, frozen_at, head_size, signatures, pages,"
                " register_hash, ready_at) SELECT %s, petition_id, addressee_id, %s, requested_by, cutoff_at, frozen_at, head_size, signatures,"
                " pages, register_hash, ready_at FROM bundles WHERE id = %s",
                (new, state, first),
            )
            db.execute(
                "INSERT INTO volumes (bundle_id, number, first, last, pages, size, file_hash, stored_hash, done_at)"
                " SELECT %s, number, first, last, pages, size, encode(sha256(convert_to(%s || file_hash, 'UTF8')), 'hex'), stored_hash, done_at"
                " FROM volumes WHERE bundle_id = %s",
                (new, str(new), first),
            )
            return f"{known['console']}/bundles/{new}"

        def another_download(asked: str, answered: str | None, bundle: str) -> str:
            row = value(
                "INSERT INTO downloads (id, bundle_id, account_id, answer_key, requested_at, answered_at)"
                f" SELECT %s, %s, id, 'none', now() - %s::interval, now() - %s::interval {robot} RETURNING id",
                uuid4(), bundle.rsplit("/", 1)[1], asked, answered,
            )  # fmt: skip
            return f"{known['console']}/downloads/{row}"

        known["failed"] = another_bundle("failed")
        known["refused"] = another_bundle("refused")
        known["cancelled_bundle"] = another_bundle("cancelled")
        known["requested"] = another_bundle("requested")
        db.execute(
            "INSERT INTO approvals (id, kind, object_id, petition_id, country_code, details, reason, requested_by, expires_at)"
            f" SELECT gen_random_uuid(), 'bundle', %s, %s, %s, '{{}}', '', id, now() + interval '1 day' {robot}",
            (known["requested"].rsplit("/", 1)[1], closed, COUNTRY),
        )
        # Nobody agreed to it, so that no worker goes on with it.
        known["under_way"] = another_bundle("building")
        under_way = known["under_way"].rsplit("/", 1)[1]
        db.execute("UPDATE bundles SET frozen_at = now() - interval '1 minute' WHERE id = %s", (under_way,))
        db.execute(
            "INSERT INTO volumes (bundle_id, number, first, last, file_hash, stored_hash, done_at) VALUES (%(b)s, 1, 1, 2500, 'x', 'x', now()),"
            " (%(b)s, 0, NULL, NULL, NULL, NULL, NULL), (%(b)s, 2, 2501, 5000, NULL, NULL, NULL)",
            {"b": under_way},
        )
        ready = until("the bundle", lambda: coordinator.get(known["bundle"]).forms("/downloads"))
        coordinator.submit(Answer(known["bundle"], 200, {}, b""), ready[0])
        _fill_checks(known, value, like_the_first)
        known["old_download"] = another_download("1 day", "1 day", known["bundle"])
        # What needs a key that is away waits; asked for tomorrow, it does so for all of the tests.
        keyless = another_bundle("failed")
        db.execute(
            "WITH key AS (INSERT INTO row_keys (id, sealed)"
            " SELECT gen_random_uuid(), overlay(sealed placing decode(repeat('00', 16), 'hex') from 3)"
            " FROM row_keys LIMIT 1 RETURNING id)"
            " UPDATE bundles SET state = 'ready', signatures = 1, pages = 1, register_hash = '', manifest = '{}', frozen_at = now(),"
            " ready_at = now(), row_key_id = key.id FROM key WHERE bundles.id = %s",
            (keyless.rsplit("/", 1)[1],),
        )
        _fill_console(site, value)
        known["waiting_download"] = another_download("-1 day", None, keyless)
    known["unsubscribe"] = site.told("olga@example.org", 1)["unsubscribe"]
    known["unsubscribed"] = _answer_of(visitor, known["unsubscribe"])


def _fill_checks(known: dict[str, str], value: Callable[..., Any], like_the_first: Callable[[str], str]) -> None:
    """What can be looked up on /verify: the bundle that is ready, one that was replaced, one of which lines were withdrawn."""
    known["replaced"], known["corrected"] = like_the_first("replaced"), like_the_first("destroyed")
    corrected = known["corrected"].rsplit("/", 1)[1]
    value("UPDATE bundles SET handed_over_on = current_date WHERE id = %s RETURNING id", corrected)
    value("INSERT INTO corrections (bundle_id, number) VALUES (%s, 1) RETURNING number", corrected)
    for name in ("bundle", "replaced", "corrected"):
        number = known[name].rsplit("/", 1)[1]
        known[f"{name}_code"] = bundle_code(UUID(number))
        known[f"{name}_hash"] = value("SELECT file_hash FROM volumes WHERE bundle_id = %s AND number = 1", number)


def _fill_console(site: Site, value: Callable[..., Any]) -> None:
    """Requests that wait, people in every state, an invitation that somebody has opened."""
    known, chief = site.addresses, site.staff["administrator"]
    console = known["console"]
    known["invitation"] = site.invite("invited@example.org", "--role", "organiser", "--country", "PL")
    page = site.staff["newcomer"].get(site.invite("newcomer@example.org", "--role", "organiser"))
    typed = {"name": "Newcomer", "passphrase": WORDS, "repeated": WORDS}
    assert site.staff["newcomer"].submit(page, page.forms()[-1], typed).url == f"{console}/me"
    newcomer = value("SELECT id FROM accounts WHERE email = 'newcomer@example.org'")
    known["person"] = f"{console}/people/{newcomer}"
    page = chief.get(known["person"])
    wish = {"role": "coordinator", "country": "GE", "petition": "", "reason": "She knows the ministry."}
    form = next(form for form in page.forms("/grants") if form.action.endswith("/grants"))
    known["own_request"] = chief.submit(page, form, wish).url
    assert "/approvals/" in known["own_request"]
    page = site.visitor.get(f"{console}/request-account")
    wish = {
        "name": "Zmicier",
        "email": "z@example.org",
        "country": "GE",
        "city": "Batumi",
        "message": "We are twelve here.",
    }
    assert site.visitor.submit(page, page.forms()[-1], wish).url == f"{console}/request-account/sent"
    asked = value("SELECT id FROM approvals WHERE kind = 'account_request'")
    known["request"] = f"{console}/approvals/{asked}"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything of `make demo`, filled."""
    stand = Stand(
        tmp_path_factory.mktemp("browser") / "var", Ports.free(), durable=False, extra={"ZBOR_PROXY_HOPS": "1"}
    )
    try:
        stand.start_servers()
        stand.flask("console", "seed")
        stand.flask("console", "seed-places")
        for start in (stand.start_catcher, stand.start_worker, stand.start_beat, stand.start_web, stand.start_console):
            start()
        made = Site(stand, staff={"newcomer": Visitor()})
        hosts = {"site": stand.ports.public, "console": stand.ports.console}
        made.addresses = {name: f"http://localhost:{port}" for name, port in hosts.items()}
        for role in ROLES:
            robot = Robot(stand, role)
            robot.log_in()
            made.staff[role] = robot.browser
        _fill(made)
        creating.fill(made, PETITION)
        street.fill(made, PETITION)
        yield made
        for visitor in (made.visitor, *made.staff.values()):
            visitor.close()
    finally:
        stand.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser that Debian packages; nothing is downloaded."""
    program = shutil.which("chromium")
    assert program, "`make test` installs Debian's package `chromium`"
    # As root there is no user to shut the sandbox's processes away under.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    expect.set_options(timeout=30_000)  # Milliseconds; the other waits of the driver have the same.
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Makes a page of a browser that has never been here: a phone without animations, unless told otherwise."""
    contexts: list[BrowserContext] = []

    def new(**options: Any) -> Page:
        options = {"viewport": PHONE, "reduced_motion": "reduce", "locale": "en-GB", **options}
        contexts.append(chromium.new_context(**options))
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def _acquainted(site: Site, chromium: Browser) -> Iterator[dict[str, BrowserContext]]:
    """The browsers of those who have been there: `site`, the seeded visitor, and everybody of the console by role."""
    contexts = {}
    for who, known in (("site", site.visitor), *site.staff.items()):
        contexts[who] = chromium.new_context(viewport=PHONE, reduced_motion="reduce", locale="en-GB")
        host = site.addresses["site" if who == "site" else "console"]
        cookies = {name: text.strip('"') for name, text in known.cookies.items()}
        contexts[who].add_cookies([{"name": name, "value": text, "url": host} for name, text in cookies.items()])
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture
def known_at(_acquainted: dict[str, BrowserContext]) -> Iterator[Callable[[str], Page]]:
    """Makes a page of a browser that is known: `site`, or a role of the console."""
    pages: list[Page] = []

    def new(who: str) -> Page:
        pages.append(_acquainted[who].new_page())
        return pages[-1]

    yield new
    for page in pages:
        page.close()


class Complaints:
    """What a browser would hold against the pages it was led to."""

    def __init__(self, page: Page, *origins: str) -> None:
        self.origins = tuple(f"{origin}/" for origin in origins)
        self.found: list[str] = []
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("console", self._console)
        page.on("requestfailed", self._failed)
        page.on("pageerror", lambda error: self.found.append(f"script: {error}"))

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self.origins):
            self.found.append(f"from elsewhere: {request.url}")

    def _failed(self, request: Request) -> None:
        # A page that is left while its icon is still coming stops asking for it.
        if request.failure != "net::ERR_ABORTED":
            self.found.append(f"failed: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.found.append(f"{response.status}: {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        # Feeds and pictures cannot name an icon, so the browser asks for this one by itself.
        if message.type in ("error", "warning") and not message.location["url"].endswith("/favicon.ico"):
            # What breaks the Content-Security-Policy is told here, too.
            self.found.append(f"{message.type}: {message.text}")


def press(page: Page, name: str) -> Response:
    """Press the button of this name and return the page's answer, the last one if there were redirects."""
    with page.expect_navigation() as leaving:
        page.get_by_role("button", name=name, exact=True).click()
    answer = leaving.value
    assert answer
    return answer


class Words:
    """The texts of the site in one language, by their English wording, as gettext has them."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalog = None
        if language != "en":
            with (ROOT / f"core/translations/{language}/LC_MESSAGES/messages.po").open("rb") as file:
                self._catalog = read_po(file, locale=language)

    def __call__(self, english: str) -> str:
        """One text. A wording that the site no longer uses is an error of the test."""
        if self._catalog is None:
            return english
        message = self._catalog.get(english)
        assert message, f"the site has no text {english!r}"
        assert isinstance(message.string, str)
        return message.string
