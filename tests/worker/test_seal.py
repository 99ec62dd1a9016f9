"""The electronic seal: valid by a foreign program, broken by a flipped bit, with a timestamp from a server of our own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko.sign.validation import PdfSignatureStatus, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from weasyprint import HTML

import worker.seal
from core.config import Config, Role
from core.errors import UnavailableError
from delivery.document import Sealed
from tests.conftest import Secrets, make_config


@pytest.fixture
def config(secrets: Secrets) -> Config:
    return make_config(Role.WORKER, secrets, "")


@lru_cache(maxsize=1)
def plain() -> bytes:
    content: bytes = HTML(
        string='<html lang="en"><title>x</title><p>One</p><p style="break-before: page">Two'
    ).write_pdf()
    return content


def apart(act: Callable[..., Any], *arguments: Any) -> Any:
    """Do something in a thread of its own: in this one, the browser of another test may have left a loop of events running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act, *arguments).result()


def seal(content: bytes, config: Config) -> Sealed:
    sealed: Sealed = apart(worker.seal.seal, content, config)
    return sealed


def status_of(content: bytes) -> PdfSignatureStatus:
    """What the foreign library says of the one seal in a file."""
    [embedded] = PdfFileReader(BytesIO(content)).embedded_signatures
    return apart(validate_pdf_signature, embedded, ValidationContext(trust_roots=[]))


@pytest.fixture
def timestamps() -> Iterator[str]:
    """The address of a server of timestamps."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Timestamps of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(key, SHA256())
    )  # fmt: skip
    [own] = load_certs_from_pemder_data(certificate.public_bytes(Encoding.PEM))
    private = load_private_key_from_pemder_data(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), passphrase=None
    )
    maker = DummyTimeStamper(tsa_cert=own, tsa_key=private)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["Content-Length"])))
            answer = maker.request_tsa_response(asked).dump()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_foreign_program_finds_the_seal_valid_and_the_file_sound(config: Config, tmp_path: Path) -> None:
    sealed = seal(plain(), config)
    assert sealed.pages == 2
    file = tmp_path / "sealed.pdf"
    file.write_bytes(sealed.content)
    said = subprocess.run(["pdfsig", str(file)], capture_output=True, text=True, check=False).stdout
    assert "Signature Validation: Signature is Valid." in said
    assert "ETSI.CAdES.detached" in said
    assert "Total document signed" in said
    checked = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    certificate = x509.load_pem_x509_certificate(config.secret("seal.crt"))
    assert sealed.certificate == certificate.fingerprint(SHA256()).hex()


@pytest.mark.parametrize("at", [200, 2000])
def test_a_flipped_bit_breaks_the_seal(config: Config, at: int) -> None:
    content = bytearray(seal(plain(), config).content)
    status = status_of(bytes(content))
    assert (status.intact, status.valid, status.trusted) == (True, True, False), "its certificate is its own"
    content[at] ^= 1
    assert not status_of(bytes(content)).intact


def test_where_a_server_of_timestamps_is_set_the_seal_has_one(config: Config, timestamps: str) -> None:
    content = seal(plain(), replace(config, timestamp_url=timestamps)).content
    status = status_of(content)
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.intact
    assert status.timestamp_validity.valid
    assert status_of(seal(plain(), config).content).timestamp_validity is None


def test_without_its_key_or_while_the_timestamps_are_away_nothing_is_sealed(config: Config, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        seal(plain(), replace(config, secrets_dir=tmp_path))
    with pytest.raises(UnavailableError):
        seal(plain(), replace(config, timestamp_url="http://127.0.0.1:1/"))
