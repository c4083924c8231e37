"""What the request handlers share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from backbeat_instrument import Metrics

from .cache import Cache
from .database import Database
from .faults import Faults
from .rate_limit import RateLimit


@dataclass(frozen=True, slots=True)
class Service:
    metrics: Metrics
    faults: Faults
    database: Database
    cache: Cache
    rate_limit: RateLimit
    upload_dir: Path
    plays: Counter[int] = field(default_factory=Counter)
    """counted since the last write to the database, by track"""
