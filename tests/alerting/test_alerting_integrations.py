"""What the integrations of a receiver are called."""

from __future__ import annotations

import pytest

from backbeat.model.integrations import spoken


@pytest.mark.parametrize(
    ("integration", "words"),
    [
        pytest.param("webhook[0]", "webhook", id="the first of its kind needs no number"),
        pytest.param("email[1]", "email 2", id="people count from one"),
        pytest.param("slack", "slack", id="a kind alone"),
    ],
)
def test_an_integration_in_words(integration: str, words: str) -> None:
    assert spoken(integration) == words
