"""What receivers asked to remember about a group, such as the message that is to be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notification_log", sa.Column("remembered", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("notification_log", "remembered")
