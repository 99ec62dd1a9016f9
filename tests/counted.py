"""Signatures in any number, as the worker leaves them once they were confirmed: whoever looks at bundles of 100,000 cannot wait until so many have signed."""

from __future__ import annotations

import base64
import os
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from core.config import Role, current_config, read_config
from core.demo.embedded import StandError
from core.demo.signers import Signer, make_signers
from core.demo.stand import Stand
from core.extensions import db
from core.factory import create_base_app
from core.keyring import load_keyring
from core.records import encrypt_record, new_row_keys
from petitions import logbook

LOT = 5000
_COLUMNS = "id, event_id, petition_id, addressee_id, country_code, state, mailbox_hmac, row_key_id, sealed, received_at, counted_at"


def store_counted(stand: Stand, slug: str, number: int, country: str = "PL", seed: int = 2021) -> None:
    """Store signers of one country, in all scripts, counted and in the log. Their records open with the worker's key, as anybody's."""
    luck = random.Random(seed)
    app = create_base_app(read_config(Role.WORKER, stand.environment("worker")))
    with app.app_context(), stand.postgres.connect("postgres") as database:
        petition, addressee, version, text_hash = database.execute(
            "SELECT p.id, r.addressee_id, t.version, t.hash FROM petitions p JOIN petition_routes r ON r.petition_id = p.id"
            " JOIN petition_texts t ON t.petition_id = p.id AND t.language = 'en'"
            " WHERE p.slug = %s AND r.country_code = %s ORDER BY t.version DESC LIMIT 1",
            (slug, country),
        ).fetchone() or (None, None, None, None)
        if petition is None:
            raise StandError(f"No petition {slug} has an addressee for {country}.")
        text = {"version": version, "language": "en", "hash": text_hash}
        for start in range(0, number, LOT):
            signers = _honest(min(LOT, number - start), luck)
            keys = new_row_keys(len(signers))
            db.session.commit()
            made = [uuid4() for _ in signers]
            database.execute(
                "INSERT INTO inbox (id, kind, petition_id, key_id, state, origin) SELECT unnest(%s::uuid[]), 'sign', %s,"
                " (SELECT id FROM sealing_keys WHERE purpose = 'worker' LIMIT 1), 'done', 'zbor_web'",
                (made, petition),
            )
            with database.cursor().copy(f"COPY signatures ({_COLUMNS}) FROM STDIN") as copy:
                for at, signer, (key_id, key) in zip(made, signers, keys, strict=True):
                    sealed = encrypt_record(key, "signatures", at, _record(signer, country, text))
                    came = datetime.now(UTC) - timedelta(seconds=luck.randrange(60, 60 * 86_400))
                    copy.write_row(
                        (at, at, petition, addressee, country, "counted", os.urandom(32), key_id, sealed, came, came)
                    )
            database.commit()
        database.execute(
            "INSERT INTO tallies VALUES (%s, %s, 'counted', %s)"
            " ON CONFLICT (petition_id, addressee_id, state) DO UPDATE SET total = tallies.total + excluded.total",
            (petition, addressee, number),
        )
        # A few, or the last ones, would wait for a day until more have come.
        database.execute(
            "INSERT INTO logs (petition_id, waiting_since) VALUES (%s, now() - interval '25 hours')"
            " ON CONFLICT (petition_id) DO UPDATE SET waiting_since = excluded.waiting_since",
            (petition,),
        )
        database.commit()
        logbook.write_due(load_keyring(current_config()))
        database.execute("ANALYZE")
        unlogged = database.execute("SELECT count(*) FROM signatures WHERE state = 'counted' AND NOT in_log").fetchone()
        db.engine.dispose()
    if unlogged != (0,):
        raise StandError("The log was not written.")


def _honest(number: int, luck: random.Random) -> list[Signer]:
    return [one for one in make_signers(number * 3 // 2, "counted", luck) if one.kind == "honest"][:number]


def _record(signer: Signer, country: str, text: dict[str, object]) -> dict[str, object]:
    return {
        "name": signer.name, "city": signer.city, "country": country, "email": signer.email, "visibility": signer.visibility, "text": text,
        "salt": base64.b64encode(os.urandom(32)).decode(), "language": signer.language,
        "consent": {"ministry": signer.visibility != "counted", "public": signer.visibility == "public", "updates": False, "hash": ""},
    }  # fmt: skip
