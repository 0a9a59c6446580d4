"""Data as a whole: enough of them, of enough users, and the data sets against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalization.datasets import Wanted, check, locate
from tests.datasets import csvs

START_S = csvs.START_S


def put_interactions(folder: Path, rows: list[str]) -> None:
    csvs.put(folder, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)


def test_three_data_sets_that_fit_together_are_passed_over_in_silence(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions())
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items())
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, csvs.users())

    report = csvs.checked(tmp_path)

    assert report.findings == ()
    assert list(report.datasets) == ["interactions", "items", "users"]
    counts = report.interactions
    assert counts is not None
    assert (counts.users, counts.users_with_two, counts.items, counts.repeated) == (40, 40, 25, 0)
    assert (counts.first_s, counts.last_s) == (START_S, START_S + 999)
    assert counts.event_types == {"Watch": 1_000}


def test_fewer_than_a_thousand_interactions_are_an_error(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions(999))

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions: has 999 usable rows; an import needs at least 1,000"
    ]


def test_faulty_rows_do_not_count_towards_the_thousand(tmp_path: Path) -> None:
    put_interactions(tmp_path, [*csvs.interactions(999), "u1,i1,Watch,soon"])

    assert ("interactions: has 999 usable rows; an import needs at least 1,000") in csvs.told(
        csvs.checked(tmp_path), tmp_path
    )


def test_fewer_than_25_users_with_two_interactions_are_an_error(tmp_path: Path) -> None:
    rows = [f"u{n % 24},i{n},Watch,{START_S + n}" for n in range(1_000)]
    put_interactions(tmp_path, [*rows, f"once,i1,Watch,{START_S}"])

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions: 24 of 25 users have two interactions or more; "
        "Personalize trains with at least 25"
    ]


def test_less_than_a_hundredth_of_the_users_with_two_interactions_is_an_error(
    tmp_path: Path,
) -> None:
    twice = [f"u{n % 25},i{n},Watch,{START_S + n}" for n in range(50)]
    once = [f"once{n},i1,Watch,{START_S}" for n in range(2_476)]
    put_interactions(tmp_path, twice + once)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions: 25 of 2,501 users have two interactions or more; "
        "Personalize trains with at least 1% of all users"
    ]


def test_a_hundredth_is_enough(tmp_path: Path) -> None:
    twice = [f"u{n % 25},i{n},Watch,{START_S + n}" for n in range(50)]
    put_interactions(tmp_path, twice + [f"once{n},i1,Watch,{START_S}" for n in range(2_475)])

    assert csvs.checked(tmp_path).findings == ()


def test_an_incremental_import_is_not_judged_by_its_own_users(tmp_path: Path) -> None:
    rows = [f"u{n % 3},i{n},Watch,{START_S + n}" for n in range(1_000)]
    put_interactions(tmp_path, rows)

    assert csvs.checked(tmp_path, wanted=Wanted(import_mode="INCREMENTAL")).findings == ()


def test_the_type_a_solution_trains_on_has_to_be_there_often_enough(tmp_path: Path) -> None:
    rows = csvs.interactions()
    rows[:10] = [row.replace("Watch", "Buy") for row in rows[:10]]
    put_interactions(tmp_path, rows)
    wanted = Wanted(event_types={"affinity": "Buy", "popular": "Rent"})

    assert csvs.told(csvs.checked(tmp_path, wanted=wanted), tmp_path) == [
        "interactions.EVENT_TYPE: is 'Buy' in 10 rows; solution affinity trains on these and needs "
        "at least 1,000; there are 'Watch' (990), 'Buy' (10)",
        "interactions.EVENT_TYPE: is 'Rent' in 0 rows; solution popular trains on these and needs "
        "at least 1,000; there are 'Watch' (990), 'Buy' (10)",
    ]


def without_event_type(folder: Path) -> dict[str, object]:
    """Write interactions without types and return their schema."""
    rows = [row.replace(",Watch", "") for row in csvs.interactions()]
    csvs.put(folder, "interactions.csv", "USER_ID,ITEM_ID,TIMESTAMP", rows)
    fields = [field for field in csvs.INTERACTIONS["fields"] if field["name"] != "EVENT_TYPE"]
    return csvs.schema("Interactions", *fields)


def test_a_solution_cannot_train_on_a_type_that_the_schema_does_not_have(tmp_path: Path) -> None:
    schemas = {"interactions": without_event_type(tmp_path)}
    wanted = Wanted(event_types={"affinity": "Buy"})

    report = csvs.checked(tmp_path, schemas=schemas, wanted=wanted)

    assert csvs.told(report, tmp_path) == [
        "interactions.EVENT_TYPE: is not in the schema; solution affinity trains on 'Buy'"
    ]


def test_by_a_schema_that_personalize_would_not_take_no_data_are_judged(tmp_path: Path) -> None:
    schemas = {"interactions": without_event_type(tmp_path)}
    wanted = Wanted(domain="VIDEO_ON_DEMAND")

    report = csvs.checked(tmp_path, schemas=schemas, wanted=wanted)

    assert csvs.told(report, tmp_path) == [
        "schema of interactions.fields: has no EVENT_TYPE; "
        'VIDEO_ON_DEMAND Interactions need it as "string"'
    ]
    assert report.datasets == {}


def test_more_event_types_and_metadata_than_the_quota_are_a_warning(tmp_path: Path) -> None:
    rows = [row.replace("Watch", f"Type{n % 11}") for n, row in enumerate(csvs.interactions())]
    put_interactions(tmp_path, rows)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions.EVENT_TYPE: has 11 different values, beside 0 columns of metadata; "
        "Personalize takes 10 of both together"
    ]


def test_interactions_with_unknown_items_and_users_are_warnings_with_counts(
    tmp_path: Path,
) -> None:
    put_interactions(tmp_path, csvs.interactions())
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items()[:-1])
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, csvs.users()[1:])

    report = csvs.checked(tmp_path)

    assert report.errors == ()
    assert csvs.told(report, tmp_path) == [
        "interactions.csv:2: interactions.USER_ID: is 'u0', which the users do not have; "
        "25 rows are like this (lines 2, 42, 82, 122, 162, …); "
        "what the other columns say of users cannot help these",
        "interactions.csv:962: interactions.ITEM_ID: is 'i24', which the items do not have; "
        "40 rows are like this (lines 962, 963, 964, 965, 966, …); "
        "such items can be recommended, but neither filtered nor found by an attribute",
    ]


def test_interactions_before_the_items_creation_are_a_warning(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions())
    items = csvs.items()
    items[0] = f"i0,Film,1,1,War,{START_S + 2}"
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, items)

    assert csvs.told(csvs.checked(tmp_path), tmp_path, "warning") == [
        f"interactions.csv:2: interactions.TIMESTAMP: is '{START_S}', before the item's "
        "CREATION_TIMESTAMP; 2 rows are like this (lines 2, 3); "
        "one of the two is wrong; Personalize takes both as they are"
    ]


def test_items_without_a_readable_file_are_not_called_unknown(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions())
    csvs.put(tmp_path, "items.csv", "ITEM", csvs.items())

    report = csvs.checked(tmp_path)

    assert not any("do not have" in said for said in csvs.told(report, tmp_path))


def test_an_incremental_import_need_not_bring_all_items_and_users(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions())
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items()[:1])
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, csvs.users()[:1])

    assert csvs.checked(tmp_path, wanted=Wanted(import_mode="INCREMENTAL")).findings == ()


def test_repeated_interactions_are_a_warning_wherever_they_stand(tmp_path: Path) -> None:
    rows = csvs.interactions()
    csvs.put(tmp_path, "interactions/a.csv", csvs.INTERACTIONS_HEADER, rows)
    csvs.put(tmp_path, "interactions/b.csv", csvs.INTERACTIONS_HEADER, [rows[7], rows[7], rows[9]])

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [
        "interactions: 3 of 1,003 rows repeat another: same user, item, second and type; "
        "each counts as an event of its own; leave them out if they are copies"
    ]
    assert report.errors == ()


def test_another_type_at_the_same_second_is_no_repetition(tmp_path: Path) -> None:
    rows = csvs.interactions()
    put_interactions(tmp_path, [*rows, rows[7].replace("Watch", "Click")])

    assert csvs.checked(tmp_path).findings == ()


def test_repeated_ids_are_a_warning_with_their_lines(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items/a.csv", csvs.ITEMS_HEADER, [*csvs.items(), csvs.items()[0]])
    csvs.put(tmp_path, "items/b.csv", csvs.ITEMS_HEADER, csvs.items()[3:4])

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "items/a.csv:27: items.ITEM_ID: 2 of 27 rows have the id of an earlier one "
        "(lines 27, items/b.csv:2); "
        "one record an id is kept; leave out the others, so that it is the right one"
    ]


def test_what_older_recipes_leave_out_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personalization.datasets.requirements.MAX_ITEMS", 20)
    monkeypatch.setattr("personalization.datasets.requirements.MAX_INTERACTIONS", 999)
    put_interactions(tmp_path, csvs.interactions())
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items())

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "items: has 25 rows; recipes other than -v2 consider at most 20 items",
        "interactions: has 1,000 rows; recipes other than -v2 consider at most 999",
    ]


def test_counts_survive_being_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalization.datasets.interactions._MERGE_ROWS", 10)
    monkeypatch.setattr("personalization.datasets.reading.PIECE_BYTES", 500)
    put_interactions(tmp_path, csvs.interactions())

    counts = csvs.checked(tmp_path).interactions

    assert counts is not None
    assert (counts.users, counts.users_with_two, counts.items) == (40, 40, 25)


def test_the_clock_is_the_machines_unless_another_is_given(tmp_path: Path) -> None:
    put_interactions(tmp_path, csvs.interactions())

    assert check(locate(tmp_path / "c.json"), {"interactions": csvs.INTERACTIONS}).findings == ()
