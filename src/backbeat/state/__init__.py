"""The SQL state: alerts, silences, notification log, outbox, history. SQLite by default.

state = open_state("data/state.db")
await state.run(lambda connection: store.save_silence(connection, silence))
"""

from backbeat.state.database import State, StateError, open_state
from backbeat.state.schema import SchemaError

__all__ = ["SchemaError", "State", "StateError", "open_state"]
