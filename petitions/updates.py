"""News by mail to signers who asked for it, each piece once to each. Runs in the worker; keys are passed in."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import Row, func, select

from core.config import LANGUAGES, current_config
from core.errors import describe
from core.extensions import db
from core.keyring import Keyring
from core.outbox import NotWantedError, in_lots, queue_mail
from core.records import RowKey, decrypt_record, open_sealed_row_key
from core.sealing import KeyNotHeldError, SealingError
from petitions.mails import link
from petitions.models import Mailing, News, NewsText, Signature, SignatureState
from petitions.pub import PublicPetition

log = logging.getLogger(__name__)

TEMPLATE = "update"
LOT = 200


def queue_lots(keyring: Keyring) -> Iterator[None]:
    """Queue what is left of every mailing, the oldest news first; yields and raises as `in_lots`.

    Signers who confirmed after the news was published read it on the page.
    """
    yield from in_lots(_next_mailing, lambda found: found[1].id, lambda found: _queue_lot(*found, keyring))


def _next_mailing(but: Sequence[UUID]) -> Row[Mailing, News] | None:
    """The oldest mailing that is not finished, locked; none that another worker holds."""
    return db.session.execute(
        select(Mailing, News)
        .join(News, News.id == Mailing.news_id)
        .join(PublicPetition, PublicPetition.id == News.petition_id)
        .where(Mailing.finished_at.is_(None), News.state == "published", News.id.not_in(but))
        .order_by(News.published_at, News.id)
        .limit(1)
        .with_for_update(of=Mailing, skip_locked=True)
    ).first()


def _queue_lot(mailing: Mailing, news: News, keyring: Keyring) -> None:
    """Queue the next LOT mails of a mailing. Does not commit. Raises KeyNotHeldError."""
    rows = db.session.execute(
        select(Signature.id, Signature.sealed, RowKey.id, RowKey.sealed)
        .join(RowKey, RowKey.id == Signature.row_key_id)
        .where(
            Signature.petition_id == news.petition_id,
            Signature.state == SignatureState.COUNTED,
            Signature.wants_updates,
            Signature.counted_at <= news.published_at,
            *([Signature.id > mailing.cursor] if mailing.cursor is not None else []),
        )
        .order_by(Signature.id)
        .limit(LOT)
    ).all()
    for signature_id, sealed, key_id, sealed_key in rows:
        mailing.cursor = signature_id
        try:
            key = open_sealed_row_key(key_id, sealed_key, keyring.private_keys)
            record = decrypt_record(key, "signatures", signature_id, sealed or b"")
        except KeyNotHeldError:
            raise
        except SealingError as error:
            # One row that does not open must not keep the news from all others.
            log.error("no news can be sent to the signer of %s: %s", signature_id, describe(error))
            continue
        language = record["language"] if record.get("language") in LANGUAGES else "en"
        mail = {
            "to": record["email"],
            "language": language,
            "signature_id": str(signature_id),
            "news_id": str(news.id),
            "read_in": record["text"]["language"],
            "unsubscribe_url": link("updates", signature_id, language, keyring),
            "mine_url": link("mine", signature_id, language, keyring),
        }
        queue_mail(TEMPLATE, key_id, key, mail, mail_id=uuid5(NAMESPACE_URL, f"{news.id}/{signature_id}"))
        mailing.queued += 1
    if len(rows) < LOT:
        mailing.finished_at = func.now()


def told(mail: Mapping[str, Any]) -> dict[str, str]:
    """What an update tells: `title`, `body`, `body_html`, `news_language` and `page_url`, read only when it is written.

    Raises NotWantedError when the signer has left or wants no more of it, or the petition is no longer public.
    """
    asked = Signature.id == UUID(mail["signature_id"]), Signature.state == SignatureState.COUNTED
    wants_it = db.session.scalar(select(Signature.wants_updates).where(*asked))
    slug = db.session.scalar(
        select(PublicPetition.slug)
        .join(News, News.petition_id == PublicPetition.id)
        .where(News.id == UUID(mail["news_id"]), News.state == "published")
    )
    texts = db.session.scalars(select(NewsText).where(NewsText.news_id == UUID(mail["news_id"]))).all()
    if not (wants_it and slug and texts):
        raise NotWantedError
    text = best_text(texts, mail["read_in"], mail["language"])
    return {
        "title": text.title,
        "body": text.body,
        "body_html": text.body_html,
        "news_language": text.language,
        "page_url": f"{current_config().public_url}/petitions/{slug}?lang={mail['language']}",
    }


def best_text(texts: Sequence[NewsText], *wishes: str) -> NewsText:
    """The text in the first of these languages that there is, in English, or any."""
    by_language = {text.language: text for text in texts}
    return next((by_language[wish] for wish in (*wishes, "en") if wish in by_language), texts[0])
