"""A few hundred damages; `make torture` does ten thousand."""

import damage
import damage_state


def test_damage_costs_its_record_or_page_alone_and_is_said() -> None:
    report = damage.run(250, seed=2)
    assert report.faults == []
    assert report.costly > 30


def test_a_damaged_state_opens_and_keeps_what_can_be_read() -> None:
    report = damage_state.run(25, seed=3)
    assert report.faults == []
    assert report.mended > 3
