"""Cohorts, write-ahead log, blocks, label index and retention behind one facade."""

from backbeat.storage.options import StorageOptions
from backbeat.storage.storage import Storage, open_storage

__all__ = ["Storage", "StorageOptions", "open_storage"]
