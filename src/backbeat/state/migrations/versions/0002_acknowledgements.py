"""Acknowledgements, schedules of silences, and the key that signs links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acknowledgements",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "signing_keys",
        sa.Column("purpose", sa.String(32), primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
    )
    op.add_column("silences", sa.Column("schedule", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("silences", "schedule")
    op.drop_table("signing_keys")
    op.drop_table("acknowledgements")
