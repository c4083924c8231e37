"""A few hundred damages; `make torture` does ten thousand."""

import damage


def test_damage_costs_its_record_or_page_alone_and_is_said() -> None:
    report = damage.run(250, seed=2)
    assert report.faults == []
    assert report.costly > 30
