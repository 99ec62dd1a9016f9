"""The electronic seal of a volume: PAdES by ETSI EN 319 142, with a timestamp (level B-T) where a server of timestamps is set.

The key is a file of the worker's secrets, or in a module of PKCS#11 that never gives it away. The seal says that the file is
whole and who sealed it; the certificate is our own, which a ministry compares with the one that the site publishes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO

from pyhanko.config.pkcs11 import PKCS11SignatureConfig, TokenCriteria
from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko.sign.pkcs11 import PKCS11SigningContext
from pyhanko.sign.timestamps.aiohttp_client import HTTPTimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from core.config import Config, ConfigError
from core.errors import UnavailableError
from delivery.document import Sealed

KEY_FILE, CERTIFICATE_FILE, PIN_FILE = "seal.pem", "seal.crt", "pkcs11.pin"
TIMESTAMP_SECONDS = 10
_PLACE = "Seal"
"""What the field of the seal is called in the file."""


def seal(content: bytes, config: Config) -> Sealed:
    """Add an invisible seal over the whole of a PDF. Raises UnavailableError while key or timestamps cannot be had."""
    writer = IncrementalPdfFileWriter(BytesIO(content))
    pages = int(writer.prev.root["/Pages"]["/Count"])
    wanted = signers.PdfSignatureMetadata(
        field_name=_PLACE, subfilter=fields.SigSeedSubFilter.PADES, md_algorithm="sha256", name="Zbor"
    )
    timestamper = _timestamper(config.timestamp_url) if config.timestamp_url else None
    with _signer(config) as signer:
        try:
            out = signers.sign_pdf(writer, wanted, signer=signer, timestamper=timestamper)
        except (TimestampRequestError, OSError):
            raise UnavailableError from None
        certificate = signer.signing_cert
    if certificate is None:
        raise UnavailableError
    return Sealed(out.getvalue(), pages, certificate.sha256.hex())


@lru_cache(maxsize=1)
def _timestamper(url: str) -> HTTPTimeStamper:
    return HTTPTimeStamper(url, timeout=TIMESTAMP_SECONDS)


@contextmanager
def _signer(config: Config) -> Iterator[signers.Signer]:
    if config.pkcs11:
        yield from _module_signer(config)
        return
    try:
        key, chain = config.secret(KEY_FILE), config.secret(CERTIFICATE_FILE)
    except ConfigError:
        raise UnavailableError from None
    yield _file_signer(key, chain)


@lru_cache(maxsize=1)
def _file_signer(key: bytes, chain: bytes) -> signers.SimpleSigner:
    certificate, *others = load_certs_from_pemder_data(chain)
    registry = SimpleCertificateStore()
    registry.register_multiple(others)
    return signers.SimpleSigner(
        signing_cert=certificate,
        signing_key=load_private_key_from_pemder_data(key, passphrase=None),
        cert_registry=registry,
    )


def _module_signer(config: Config) -> Iterator[signers.Signer]:
    """A key in a module of PKCS#11: its session is closed when the seal is made."""
    module, token, label = config.pkcs11.split(";")
    [certificate, *others] = load_certs_from_pemder_data(config.secret(CERTIFICATE_FILE))
    settings = PKCS11SignatureConfig(
        module_path=module,
        token_criteria=TokenCriteria(label=token),
        key_label=label,
        signing_certificate=certificate,
        other_certs=others or None,
        user_pin=config.secret(PIN_FILE).decode(),
    )
    with PKCS11SigningContext(settings) as signer:
        yield signer
