"""Alembic runs this to apply the scripts on the connection that `state.schema` hands over."""

from __future__ import annotations

from alembic import context

from backbeat.state.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
