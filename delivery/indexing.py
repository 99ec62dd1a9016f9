"""What is the same in all volumes of a bundle, and what its index and its manifest tell. Runs in the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal
from sqlalchemy import func, select

from core.config import Config
from core.errors import UnavailableError
from core.extensions import db
from core.i18n import country_name
from core.keyring import Keyring
from delivery.claims import LeaseLostError
from delivery.document import (
    LETTER_COUNTRIES,
    EarlierAppeal,
    Figure,
    IndexVolume,
    PrintedHead,
    PrintedVolume,
    Sealed,
    as_json,
    file_name,
    manifest_statement,
    register_hash,
)
from delivery.letters import (
    Occasion,
    fill,
    letter_language,
    letter_of,
    letter_texts,
    letter_values,
    moment_in,
    native_part,
    postal_address,
)
from delivery.models import SAMPLE_SIZE, Bundle, BundleLine, Letter, LetterKind, Level, Volume
from petitions.logbook import log_signer
from petitions.models import Addressee, Breakdown, Petition, PetitionText, Signature, SignatureState, TreeHead
from petitions.proving import head_as_json, in_utc, log_keys
from petitions.register import EarlierText, ReadText, count_by_state, earlier_texts
from petitions.services import newest_text
from petitions.texts import demands_html

SHOWN_FROM = 10
"""Countries with fewer signatures are on no public page, and on no paper either."""
MOST_DAYS = 62
"""Days that the chart shows one by one; a longer time it shows by the month."""
_STATES = ("pending", "duplicate", "quarantined", "rejected", "withdrawn", "expired")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is known of a bundle once it is frozen, and is the same in all its volumes."""

    bundle_id: UUID
    petition_id: int
    addressee_id: int
    code: str
    level: str
    language: str
    texts: Mapping[str, Any]
    """`print` of the letters' file, with all placeholders filled but those of single volumes."""
    cover: Mapping[str, Any]
    address: Sequence[str]
    salutation: str
    appeal: PetitionText
    count: int
    unlogged: int
    cutoff: datetime
    head: TreeHead
    volumes: int
    paper: str
    public_url: str
    manifest: dict[str, Any]

    @property
    def title(self) -> str:
        """The petition's title."""
        return self.appeal.title

    @property
    def root(self) -> str:
        """The root of the log, in hexadecimal."""
        return self.head.root.hex()

    @property
    def register_heading(self) -> str:
        """What the register is called at this level."""
        names = {Level.INITIALS: "register_initials_heading", Level.COUNTS: "sample_register_heading"}
        return str(self.texts[names.get(Level(self.level), "register_heading")])

    def verify_address(self, number: int) -> str:
        """Where a volume can be checked."""
        return f"{self.public_url}/verify?code={self.code}-{number}"


def read_frozen(bundle_id: UUID, config: Config) -> Frozen:
    """Read what all volumes have in common. Raises LeaseLostError when the bundle is frozen no longer."""
    bundle = db.session.get(Bundle, bundle_id, populate_existing=True)
    if bundle is None or bundle.head_size is None or bundle.signatures is None:
        raise LeaseLostError
    addressee = db.session.get_one(Addressee, bundle.addressee_id)
    petition = db.session.get_one(Petition, bundle.petition_id)
    head = db.session.get_one(TreeHead, (bundle.petition_id, bundle.head_size))
    volumes = db.session.scalars(
        select(func.count()).select_from(Volume).where(Volume.bundle_id == bundle.id, Volume.number > 0)
    ).one()
    official = addressee.languages.split()
    language = letter_language(official)
    told = letter_texts(language) or {}
    appeal = newest_text(bundle.petition_id, language)
    values = _values(bundle, addressee, petition, appeal, language, volumes, config)
    printed = told["print"]
    values |= {
        "per_mailbox": printed["per_mailbox"][petition.per_mailbox - 1],
        "register_title": printed[
            {"names": "register_heading", "initials": "register_initials_heading"}.get(
                bundle.level, "sample_register_heading"
            )
        ],
    }
    edited = db.session.get(Letter, bundle.letter_id) if bundle.letter_id is not None else None
    frozen = Frozen(
        bundle_id=bundle.id,
        petition_id=petition.id,
        addressee_id=addressee.id,
        code=bundle.code,
        level=bundle.level,
        language=language,
        texts=fill(printed, values),
        cover=letter_of(told, LetterKind.COVER, edited, language, values),
        address=postal_address(addressee, language),
        salutation=native_part(addressee.salutation_native, official, language),
        appeal=appeal,
        count=bundle.signatures,
        unlogged=bundle.unlogged or 0,
        cutoff=bundle.cutoff_at,
        head=head,
        volumes=volumes,
        paper="us-letter" if addressee.country_code in LETTER_COUNTRIES else "a4",
        public_url=config.public_url,
        manifest={
            "bundle": bundle.code,
            "petition": petition.slug,
            "addressee": addressee.code,
            "level": bundle.level,
            "counted": bundle.signatures,
            "cutoff": in_utc(bundle.cutoff_at),
            "tree_head": head_as_json(petition.slug, head),
            "key": log_keys([head.key_id])[0],
        },
    )
    db.session.expunge_all()
    db.session.rollback()
    return frozen


def _values(
    bundle: Bundle,
    addressee: Addressee,
    petition: Petition,
    appeal: PetitionText,
    language: str,
    volumes: int,
    config: Config,
) -> dict[str, Any]:
    """What is put into the placeholders of letters and prints."""
    count = bundle.signatures or 0
    sample = min(SAMPLE_SIZE, count)
    occasion = Occasion(
        on=bundle.frozen_at or bundle.cutoff_at,
        count=count,
        code=bundle.code,
        cutoff=bundle.cutoff_at,
        level=bundle.level,
        sample=sample,
    )
    return {
        **letter_values(petition, appeal.title, addressee, language, occasion, config),
        "appeal_language": Locale.parse(appeal.language).get_display_name(language),
        "code": bundle.code,
        "volumes": format_decimal(volumes, locale=language),
        # None false among n: with a confidence of 95 % the share of false ones is below 1 - 0.05^(1/n).
        "bound": f"{format_decimal(round(100 * (1 - 0.05 ** (1 / max(1, sample))), 1), locale=language)} %",
    }


# --- The manifest --------------------------------------------------------------------------------------------------------


def manifest_of(frozen: Frozen, volumes: Sequence[Volume]) -> dict[str, Any]:
    """The manifest of the whole but for the index, which it is attached to. It names no signer."""
    entries = db.session.scalars(
        select(Signature.leaf_index)
        .join(BundleLine, BundleLine.signature_id == Signature.id)
        .where(BundleLine.bundle_id == frozen.bundle_id)
        .order_by(Signature.leaf_index)
    ).all()
    return {
        "zbor": "bundle/2",
        **frozen.manifest,
        "sample": SAMPLE_SIZE if frozen.level == Level.COUNTS else None,
        "register_hash": register_hash([one.content_hash or "" for one in volumes]),
        # In their own order, and not in that of the lines: which line is whose entry must not be told.
        "entries": " ".join(map(str, entries)),
        "files": [
            {
                "name": f"{file_name(frozen.code, one.number)}.pdf",
                "sha256": one.file_hash,
                "pages": one.pages,
                "first": one.first,
                "last": one.last,
                "table": f"{file_name(frozen.code, one.number)}.csv",
                "table_sha256": one.content_hash,
                "marks": one.marks,
            }
            for one in volumes
        ],
    }


def signed_manifest(
    frozen: Frozen, manifest: Mapping[str, Any], sealed: Sealed, file_hash: str, keyring: Keyring
) -> str:
    """The manifest with the index among its files, signed by the key of the logs. Raises UnavailableError without that key."""
    signer = log_signer(keyring)
    if signer is None:
        raise UnavailableError
    moment = db.session.scalars(select(func.clock_timestamp())).one()
    index = {"name": f"{file_name(frozen.code, 0)}.pdf", "sha256": file_hash, "pages": sealed.pages}
    whole = {
        **manifest,
        "files": [index, *manifest["files"]],
        "certificate": sealed.certificate,
        "signed_at": in_utc(moment),
        "signed_by": log_keys([signer.key_id])[0],
    }
    return as_json({**whole, "signature": signer.key.sign(manifest_statement(whole)).hex()}).decode()


# --- The index -----------------------------------------------------------------------------------------------------------


def index_of(
    frozen: Frozen, volumes: Sequence[Volume], read: Mapping[ReadText, int], manifest: Mapping[str, Any]
) -> IndexVolume:
    """All that the index prints."""
    language, texts = frozen.language, frozen.texts

    def written(number: int) -> str:
        return format_decimal(number, locale=language)

    earlier = earlier_texts(frozen.appeal, read)
    changed = fill(texts["appeal_changed_note"], {"number": written(sum(one.signatures for one in earlier))})
    times, by_month = _times(frozen)
    return IndexVolume(
        language=language,
        texts={**texts, "appeal_changed_note": changed},
        cover=frozen.cover,
        address=frozen.address,
        salutation=frozen.salutation,
        title=frozen.title,
        appeal_html=frozen.appeal.body_html,
        appeal_language=frozen.appeal.language,
        demands_html=demands_html(frozen.appeal.demands),
        earlier=[_earlier(one, texts, language) for one in earlier],
        count=written(frozen.count),
        cutoff=moment_in(frozen.cutoff, language),
        counts=[(label, written(number)) for label, number in _counts(frozen)],
        head=_printed_head(frozen.head, language),
        times=times,
        by_month=by_month,
        countries=_countries(frozen),
        volumes=[_printed_volume(frozen, one) for one in volumes],
        register_hash=str(manifest["register_hash"]),
        sampled=frozen.level == Level.COUNTS,
        manifest=manifest,
        verify_address=frozen.verify_address(0),
        paper=frozen.paper,
    )


def _counts(frozen: Frozen) -> list[tuple[str, int]]:
    """What became of all that arrived for the addressee by the cut-off, as it stands now. The first is the sum of the others."""
    counts = count_by_state(frozen.petition_id, frozen.addressee_id, frozen.cutoff)
    texts = frozen.texts
    # Received before the cut-off and confirmed after it: for this bundle, still waiting.
    late = counts.get(SignatureState.COUNTED, 0) - frozen.count - frozen.unlogged
    counts["pending"] = counts.get("pending", 0) + late
    lines = [(str(texts["counted"]), frozen.count)]
    if frozen.unlogged:
        lines.append((str(texts["unlogged"]), frozen.unlogged))
    lines += [(str(texts[state]), counts.get(state, 0)) for state in _STATES]
    return [(str(texts["received"]), sum(number for _label, number in lines)), *lines]


def _times(frozen: Frozen) -> tuple[list[Figure], bool]:
    """How many signatures of the bundle were given on each day, or in each month, from the first to the last; and which of both."""
    day = func.date(func.timezone("UTC", Signature.received_at))
    rows = db.session.execute(
        select(day, func.count())
        .select_from(BundleLine)
        .join(Signature, Signature.id == BundleLine.signature_id)
        .where(BundleLine.bundle_id == frozen.bundle_id)
        .group_by(day)
        .order_by(day)
    ).all()
    by_day = Counter({one: int(number) for one, number in rows})
    first, last = min(by_day), max(by_day)
    by_month = (last - first).days >= MOST_DAYS
    if by_month:
        totals = Counter[Any]()
        for one, number in by_day.items():
            totals[one.replace(day=1)] += number
        steps, at = [], first.replace(day=1)
        while at <= last:
            steps.append(at)
            at = (at.replace(day=28) + timedelta(days=4)).replace(day=1)
    else:
        totals = by_day
        steps = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    skeleton = "yMMM" if by_month else "MMMd"
    return [
        Figure(
            format_skeleton(skeleton, at, locale=frozen.language),
            totals[at],
            format_decimal(totals[at], locale=frozen.language),
        )
        for at in steps
    ], by_month


def _countries(frozen: Frozen) -> list[Figure]:
    """Counted signatures of the whole petition by country, most first, each with where its ministry is."""
    rows = db.session.execute(
        select(Breakdown.key, Breakdown.total, Addressee.lon, Addressee.lat)
        .outerjoin(Addressee, (Addressee.country_code == Breakdown.key) & Addressee.petition_id.is_(None))
        .where(Breakdown.petition_id == frozen.petition_id, Breakdown.by == "country", Breakdown.total >= SHOWN_FROM)
        .order_by(Breakdown.total.desc(), Breakdown.key)
    ).all()
    return [
        Figure(country_name(key, frozen.language), total, format_decimal(total, locale=frozen.language), lon, lat)
        for key, total, lon, lat in rows
    ]


def _printed_volume(frozen: Frozen, volume: Volume) -> PrintedVolume:
    def written(number: int | None) -> str:
        return format_decimal(number or 0, locale=frozen.language)

    values = {"number": written(volume.number), "volumes": written(frozen.volumes)}
    return PrintedVolume(
        label=fill(frozen.texts["volume_label"], values),
        numbers=f"{written(volume.first)}–{written(volume.last)}",
        pages=written(volume.pages),
        file_hash=volume.file_hash or "",
        content_hash=volume.content_hash or "",
    )


def _earlier(one: EarlierText, texts: Mapping[str, Any], language: str) -> EarlierAppeal:
    until = {"until": format_date(one.until, "long", locale=language)}
    return EarlierAppeal(
        heading=fill(texts["earlier_heading"], until),
        note=fill(texts["earlier_note"], {"number": format_decimal(one.signatures, locale=language)}),
        title=one.text.title,
        html=one.text.body_html,
        demands_html=demands_html(one.text.demands),
        language=one.text.language,
    )


def _printed_head(head: TreeHead, language: str) -> PrintedHead:
    root = head.root.hex()
    return PrintedHead(
        size=format_decimal(head.size, locale=language),
        counted=format_decimal(head.counted, locale=language),
        signed=moment_in(head.signed_at, language),
        root=[root[at : at + 8] for at in range(0, len(root), 8)],
    )
