"""Accounts and what belongs to them: grants, sessions, passkeys, recovery codes, invitations, approvals."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from core.extensions import CreatedAt, Model, Moment


class StaffRole(StrEnum):
    """What somebody who logs in may be."""

    ORGANISER = "organiser"
    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"


ROLE_LABELS = {
    StaffRole.ORGANISER: _l("Organiser"),
    StaffRole.COORDINATOR: _l("Coordinator"),
    StaffRole.REVIEWER: _l("Reviewer"),
    StaffRole.ADMINISTRATOR: _l("Administrator"),
}


class Account(Model):
    """Somebody who logs in. Not a signer: signers never have accounts.

    Invited, it has no passphrase yet; `enrolled_at` is set once it has a passphrase and a second factor.
    """

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="en")
    password_hash: Mapped[str | None]
    is_active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[CreatedAt]
    enrolled_at: Mapped[Moment | None]
    last_login_at: Mapped[Moment | None]
    user_handle: Mapped[UUID] = mapped_column(Uuid, unique=True, server_default=text("gen_random_uuid()"))
    """How authenticators know the account; it says nothing about it."""
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The newest time step whose code was accepted; none at or before it is accepted again."""
    age_recipients: Mapped[str] = mapped_column(server_default="")
    """Public keys of age, one a line, to which what this person takes away is encrypted; empty for none."""
    devices_since: Mapped[CreatedAt]
    """Browsers remembered before this moment are strangers again."""
    grants: Mapped[list[Grant]] = relationship(lazy="selectin")
    passkeys: Mapped[list[Passkey]] = relationship(lazy="selectin", order_by="Passkey.created_at")

    is_authenticated = True
    is_anonymous = False
    session_token = ""
    """Of the request that logged in, for Flask-Login."""

    def get_id(self) -> str:
        """Flask-Login's name for the identity in the session: the session's own token, not the account's number."""
        return self.session_token


class Grant(Model):
    """A role for one petition and one country; an empty field means all of them."""

    __tablename__ = "grants"
    __table_args__ = (
        CheckConstraint("role IN ('organiser', 'coordinator', 'reviewer', 'administrator')", name="role"),
        CheckConstraint(
            "role <> 'administrator' OR (petition_id IS NULL AND country_code IS NULL)", name="administrators_are_whole"
        ),
        UniqueConstraint("account_id", "role", "petition_id", "country_code", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    role: Mapped[str]
    petition_id: Mapped[int | None] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"), index=True)
    country_code: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class Method(StrEnum):
    """How the person of a session proved who they are."""

    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY = "recovery"
    INVITATION = "invitation"
    """By the link of an invitation alone: such a session can do nothing but set up a second factor."""


METHOD_LABELS = {
    Method.PASSKEY: _l("Passkey"),
    Method.TOTP: _l("Passphrase and code"),
    Method.RECOVERY: _l("Passphrase and recovery code"),
    Method.INVITATION: _l("Invitation"),
}

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)
FRESH = timedelta(minutes=5)


class StaffSession(Model):
    """Somebody logged in from one browser. The browser has the token, the database its SHA-256.

    A session is only ever changed by UPDATE, so one that was ended cannot come back.
    """

    __tablename__ = "sessions"
    __table_args__ = (CheckConstraint("method IN ('passkey', 'totp', 'recovery', 'invitation')", name="method"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    method: Mapped[str]
    device: Mapped[str]
    created_at: Mapped[CreatedAt]
    seen_at: Mapped[CreatedAt]
    proved_at: Mapped[CreatedAt]
    """When the person last proved who they are, by `method`."""
    challenge: Mapped[bytes | None] = mapped_column(LargeBinary)
    challenged_at: Mapped[Moment | None]
    totp_pending: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The key of an authenticator app that is being set up."""
    invitation_id: Mapped[UUID | None] = mapped_column(ForeignKey("invitations.id"))

    is_fresh = False
    """Whether `proved_at` is within FRESH by the database's clock, when the session was looked up."""


class SpentChallenge(Model):
    """What a passkey has answered to log in, by its hash: a second log-in with the same answer finds it here.

    Apart from the session, which may be ended before the challenge is too old. The purge forgets it.
    """

    __tablename__ = "spent_challenges"

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    spent_at: Mapped[CreatedAt]


class Passkey(Model):
    """The public half of a WebAuthn credential."""

    __tablename__ = "passkeys"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    created_at: Mapped[CreatedAt]
    used_at: Mapped[Moment | None]


class RecoveryCode(Model):
    """One of ten codes, each good for one log-in. The selector finds the row; only the rest is the secret."""

    __tablename__ = "recovery_codes"
    __table_args__ = (UniqueConstraint("account_id", "selector"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    selector: Mapped[str]
    code_hash: Mapped[str]
    used_at: Mapped[Moment | None]


class Invitation(Model):
    """A link that lets its holder set up an account, or set it up anew. Good until a second factor is in place."""

    __tablename__ = "invitations"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]


class AccountRequest(Model):
    """Somebody outside asks for an account. Erased when it is decided or runs out."""

    __tablename__ = "account_requests"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    country_code: Mapped[str]
    city: Mapped[str]
    message: Mapped[str]
    language: Mapped[str]
    created_at: Mapped[CreatedAt]


class ApprovalState(StrEnum):
    """Where a request stands. One that ran out is still `pending`, with `expires_at` in the past, until it is asked for again."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


APPROVAL_STATE_LABELS = {
    ApprovalState.PENDING: _l("Waiting for a second person"),
    ApprovalState.APPROVED: _l("Approved"),
    ApprovalState.REFUSED: _l("Refused"),
    ApprovalState.WITHDRAWN: _l("Taken back"),
    ApprovalState.EXPIRED: _l("Ran out"),
}


class Approval(Model):
    """What one person asks for and another decides. PostgreSQL refuses that they are the same person."""

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'refused', 'withdrawn', 'expired')", name="state"),
        CheckConstraint("decided_by <> requested_by", name="two_people"),
        CheckConstraint("decided_by <> subject_id", name="not_about_oneself"),
        CheckConstraint("(state IN ('approved', 'refused')) = (decided_by IS NOT NULL)", name="decided_by_somebody"),
        CheckConstraint("state <> 'refused' OR decision_reason <> ''", name="refused_with_a_reason"),
        Index("uq_approvals_pending", "kind", "object_id", unique=True, postgresql_where=text("state = 'pending'")),
        Index("ix_approvals_state", "state", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str]
    object_id: Mapped[str]
    petition_id: Mapped[int | None] = mapped_column(ForeignKey("petitions.id", ondelete="CASCADE"))
    country_code: Mapped[str | None]
    subject_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    """The account that it is about, if it is about one; that person does not decide."""
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str]
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    """None for somebody who has no account yet."""
    requested_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment]
    state: Mapped[str] = mapped_column(server_default="pending")
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[Moment | None]
    decision_reason: Mapped[str] = mapped_column(server_default="")
    due_at: Mapped[Moment | None]
    """For what must wait after the approval: the moment from which it may be carried out."""
    done_at: Mapped[Moment | None]
