"""A small browser without JavaScript: follows redirects, keeps cookies, fills in forms. One for each visitor."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from secrets import token_hex
from urllib.parse import urlencode, urljoin, urlsplit


@dataclass
class Form:
    """A form of a page: where it goes, and the hidden values it already holds."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.heading = ""
        self._in_heading = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(named.get("action", ""), named.get("method", "get").lower()))
        elif tag == "input" and self.forms and named.get("type") == "hidden":
            self.forms[-1].values[named.get("name", "")] = named.get("value", "")
        elif tag == "h1":
            self._in_heading = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "h1":
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self.heading += data


@dataclass
class Page:
    """What came back."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def heading(self) -> str:
        """Text of the first-level heading."""
        return self._read().heading.strip()

    def forms(self, action_part: str = "") -> list[Form]:
        """Forms whose action contains this."""
        return [form for form in self._read().forms if action_part in form.action]

    def _read(self) -> _Reader:
        reader = _Reader()
        reader.feed(self.text)
        return reader


class Browser:
    """One visitor. Not for more than one thread."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        """What it sends with every request besides."""
        self._connection: http.client.HTTPConnection | None = None
        self._origin = ""

    def get(self, url: str) -> Page:
        """Open a page. A kept-alive connection that the server has meanwhile closed is opened again."""
        try:
            return self._request("GET", url, None)
        except http.client.RemoteDisconnected:
            return self._request("GET", url, None)

    def submit(
        self,
        page: Page,
        form: Form,
        values: Mapping[str, str] | None = None,
        *,
        file: bytes | None = None,
        follow: bool = True,
    ) -> Page:
        """Send a form of a page with these values added, and a picture as its `file`, and follow where it leads."""
        answer = self._request(
            "POST", urljoin(page.url, form.action or page.url), {**form.values, **(values or {})}, file
        )
        while follow and answer.status in (302, 303):
            answer = self.get(urljoin(answer.url, answer.headers["Location"]))
        return answer

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, method: str, url: str, values: Mapping[str, str] | None, file: bytes | None = None) -> Page:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if self._connection is None or origin != self._origin:
            self.close()
            # A bare machine may not know the name; the site is told it all the same.
            address = parts.netloc.replace("localhost", "127.0.0.1")
            self._connection = http.client.HTTPConnection(address, timeout=60)
            self._origin = origin
        headers = {"Host": parts.netloc, "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers |= self.headers
        body = None
        if values is not None:
            kind, body = _encoded(values, file)
            headers |= {
                "Content-Type": kind,
                "Origin": origin,
                "Sec-Fetch-Site": "same-origin",
            }
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (http.client.HTTPException, OSError):
            # A kept-alive connection that the server has meanwhile closed; the caller decides about trying again.
            self.close()
            raise
        for line in response.headers.get_all("Set-Cookie") or []:
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return Page(url, response.status, dict(response.headers), content)


def _encoded(values: Mapping[str, str], file: bytes | None) -> tuple[str, bytes]:
    """Media type and body of a form."""
    if file is None:
        return "application/x-www-form-urlencoded", urlencode(values).encode()
    mark = f"----{token_hex(16)}"
    head = f"--{mark}\r\nContent-Disposition: form-data; name="
    fields = "".join(f'{head}"{name}"\r\n\r\n{text}\r\n' for name, text in values.items())
    opening = f'{fields}{head}"file"; filename="picture.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    return f"multipart/form-data; boundary={mark}", opening.encode() + file + f"\r\n--{mark}--\r\n".encode()
