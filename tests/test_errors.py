from __future__ import annotations

import pickle

from personalization.errors import ConfigError, Finding, RetryableError, shortened


def test_a_finding_reads_like_a_compilers():
    finding = Finding("solutions[0].name", "is 'a b'", "no spaces", source="c.json", line=7)

    assert str(finding) == "c.json:7: solutions[0].name: is 'a b'; no spaces"


def test_a_config_error_carries_every_finding():
    findings = [Finding("a", "is missing"), Finding("b", "is null")]
    error = ConfigError("c.json cannot be used", findings)

    assert error.findings == tuple(findings)
    assert str(error) == "c.json cannot be used\n  - a: is missing\n  - b: is null"


def test_a_config_error_survives_the_way_to_another_process():
    error = ConfigError("c.json cannot be used", [Finding("a", "is missing")])

    back = pickle.loads(pickle.dumps(error))

    assert (str(back), back.findings) == (str(error), error.findings)


def test_how_long_to_wait_survives_the_way_to_another_process():
    error = RetryableError("crm.test is busy", retry_after_s=2.5)

    back = pickle.loads(pickle.dumps(error))

    assert (str(back), back.retry_after_s) == ("crm.test is busy", 2.5)
    assert RetryableError("crm.test is away").retry_after_s is None


def test_facts_from_outside_are_kept_short_and_on_one_line():
    assert shortened("a\n  b" + "x" * 300) == "a b" + "x" * 196 + "…"
