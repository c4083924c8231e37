"""What /metrics says about the store."""

from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage
from backbeat.storage.metrics import StorageCollector


def test_damage_and_refusal_are_counted(tmp_path: Path) -> None:
    for _ in range(2):
        storage = open_storage(tmp_path, StorageOptions(), lambda: 10**12)
        for at in (1, 2, 3):
            storage.append_samples([Labels.of(__name__="m")], np.array([at]), np.ones(1))
        storage.close()
        log = tmp_path / "wal" / "00000001.log"
        content = bytearray(log.read_bytes())
        content[20] ^= 1
        log.write_bytes(content)
    storage = open_storage(tmp_path, StorageOptions(), lambda: 10**12)
    registry = CollectorRegistry()
    registry.register(StorageCollector(storage))
    assert registry.get_sample_value("backbeat_storage_damages_total") == 1
    assert registry.get_sample_value("backbeat_storage_unavailable") == 0
    assert registry.get_sample_value("prometheus_tsdb_head_series") == 1
    storage.close()
