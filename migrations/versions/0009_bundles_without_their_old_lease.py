"""What a bundle had while it was built in one go. To be run when no process of before 0008 is left."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("step", "attempts", "leased_until", "fence", "file_hash"):
        op.drop_column("bundles", name)


def downgrade() -> None:
    for column in (
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("file_hash", sa.String(), nullable=True),
    ):
        op.add_column("bundles", column)
