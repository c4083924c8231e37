"""Every endpoint is described somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from backbeat.web.admin_api import AdminAPI
from backbeat.web.alertmanager_api import AlertmanagerAPI
from backbeat.web.federate import FederateAPI
from backbeat.web.ingest_api import IngestAPI
from backbeat.web.ops_api import OpsAPI
from backbeat.web.query_api import QueryAPI
from backbeat.web.state_api import StateAPI
from backbeat.web.targets_api import TargetsAPI

DOCS = Path(__file__).parents[2] / "docs"
NOTHING: Any = None


def paths() -> list[str]:
    apis = (
        QueryAPI(NOTHING, NOTHING),
        StateAPI(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING),
        TargetsAPI(NOTHING, NOTHING),
        AlertmanagerAPI(NOTHING, NOTHING, NOTHING, NOTHING),
        OpsAPI(NOTHING, NOTHING, NOTHING),
        IngestAPI(NOTHING),
        AdminAPI(NOTHING, NOTHING, enabled=True),
        FederateAPI(NOTHING, NOTHING, NOTHING),
    )
    return sorted({route.path for api in apis for route in api.routes()})


@pytest.mark.parametrize("path", paths())
def test_it_is_described(path: str) -> None:
    name = re.sub(r":\w+", "", path)
    page = "alertmanager.md" if name.startswith("/api/v2/") else "http-api.md"
    assert name in (DOCS / page).read_text(), f"{name} is not described in docs/{page}"
