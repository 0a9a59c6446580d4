"""Personalize's rules for Avro schemas, and reading a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization import schemas
from personalization.errors import ConfigError
from personalization.schemas import Field

SHARED = Path(__file__).parents[2] / "shared" / "data"
ORIGINAL = SHARED / "bingewatch-original" / "bingewatch_config.json"


def field(name: str, avro: Any = "string", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": avro, **attributes}


def record(called: str, *fields: Any, **changes: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": called,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": list(fields),
        "version": "1.0",
    } | changes


USER, ITEM, TIME = field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long")
GENRES = field("GENRES", categorical=True)


def interactions(*more: Any, **changes: Any) -> dict[str, Any]:
    return record("Interactions", USER, ITEM, TIME, *more, **changes)


def items(*more: Any, **changes: Any) -> dict[str, Any]:
    return record("Items", ITEM, *more, **changes)


def users(*more: Any, **changes: Any) -> dict[str, Any]:
    return record("Users", USER, *more, **changes)


def said(schema: Any, dataset: str, domain: str | None = None) -> list[str]:
    return [str(finding) for finding in schemas.findings(schema, dataset, domain, "schema")]


def test_a_schema_is_read_from_text_with_its_columns_in_order():
    text = json.dumps(items(field("GENRES", ["null", "string"], categorical=True)))

    schema = schemas.parse(text)

    assert schema.name == "Items"
    assert schema.fields == (
        Field("ITEM_ID", ("string",)),
        Field("GENRES", ("string",), categorical=True, nullable=True),
    )


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        pytest.param("{", "the schema is not JSON: Expecting property name", id="syntax"),
        pytest.param("[1]", r"schema: is \[1\]; must be an Avro record: a JSON obj", id="list"),
        pytest.param(
            items(field("TAGS", {"type": "array", "items": "string"})),
            r'schema.fields\[1\].type: of "TAGS" is {"type": "array"',
            id="nested",
        ),
    ],
)
def test_what_is_no_flat_record_is_refused(schema, message):
    with pytest.raises(ConfigError, match=message):
        schemas.parse(schema)


@pytest.mark.parametrize(
    ("schema", "dataset", "domain"),
    [
        pytest.param(interactions(), "interactions", None, id="least-interactions"),
        pytest.param(items(GENRES), "ITEMS", None, id="case-of-the-type"),
        pytest.param(items(field("YEAR", "int")), "Items", None, id="number-as-metadata"),
        pytest.param(
            items(field("TITLE", itemName=True), field("TEXT", textual=True)),
            "items",
            None,
            id="semantic-similarity",
        ),
        pytest.param(
            users(field("SUBSCRIPTION_MODEL", categorical=True)),
            "users",
            "VIDEO_ON_DEMAND",
            id="default-video-users",
        ),
        pytest.param(
            items(field("PRICE", "float"), field("CATEGORY_L1", categorical=True)),
            "items",
            "ECOMMERCE",
            id="default-ecommerce-items",
        ),
        pytest.param(
            items(GENRES, field("CREATION_TIMESTAMP", "long")),
            "items",
            "VIDEO_ON_DEMAND",
            id="default-video-items",
        ),
        pytest.param(
            record("Actions", field("ACTION_ID"), field("VALUE", ["null", "long"])),
            "actions",
            None,
            id="actions",
        ),
    ],
)
def test_a_schema_by_the_guide_has_no_finding(schema, dataset, domain):
    assert said(schema, dataset, domain) == []


@pytest.mark.parametrize(
    ("schema", "dataset", "expected"),
    [
        pytest.param(None, "items", "schema: is missing; must be an Avro record: a J", id="null"),
        pytest.param(
            items(GENRES, type="enum"),
            "items",
            'schema.type: is "enum"; must be "record"',
            id="enum",
        ),
        pytest.param(
            items(GENRES, name="1tems"),
            "items",
            'schema.name: is "1tems"; must be the name of the dataset type',
            id="no-avro-name",
        ),
        pytest.param(
            record("Things", ITEM, GENRES), "items", 'is "Things"; must be "Items"', id="other-name"
        ),
        pytest.param(
            items(GENRES, namespace="com.acme"),
            "items",
            'schema.namespace: is "com.acme"; must be "com.amazonaws.personalize.schema"',
            id="namespace",
        ),
        pytest.param(
            items(GENRES, version="2"), "items", 'version: is "2"; must be "1.0"', id="version"
        ),
        pytest.param(record("Items"), "items", "fields: is []; must list at least one", id="empty"),
        pytest.param(
            items("GENRES"),
            "items",
            '[1]: is "GENRES"; must be an object with "name"',
            id="no-object",
        ),
        pytest.param(
            items(field("2ND", "int")),
            "items",
            'fields[1].name: is "2ND"; must be letters, digits and _, and not start',
            id="field-name",
        ),
        pytest.param(
            items(field("A", "decimal")),
            "items",
            'fields[1].type: of "A" is "decimal"; must be one of float, double, int, long, string',
            id="unknown-type",
        ),
        pytest.param(items(field("A", ["int", "string"])), "items", "a pair with null", id="union"),
        pytest.param(items(field("A", ["null"])), "items", 'is ["null"]', id="only-null"),
        pytest.param(
            items(field("A", ["null", "null", "int"])), "items", "a pair with null", id="null-twice"
        ),
        pytest.param(
            items(field("A", categorical="yes")),
            "items",
            'fields[1].categorical: is "yes"; must be true or false',
            id="attribute-type",
        ),
        pytest.param(
            items(field("GENRE_1", "int"), field("GENRE1", "int")),
            "items",
            '[2].name: is "GENRE1", which Personalize cannot tell from "GENRE_1"; names',
            id="clash",
        ),
        pytest.param(
            items(field("A", "int", default="x")),
            "items",
            "schema: is not valid Avro: Default value",
            id="avro-default",
        ),
        pytest.param(
            record("Interactions", USER, TIME),
            "interactions",
            'schema.fields: has no ITEM_ID; Interactions need it as "string"',
            id="required",
        ),
        pytest.param(
            record("Interactions", USER, ITEM, field("TIMESTAMP", "int")),
            "interactions",
            'type: of TIMESTAMP is int; Interactions need TIMESTAMP as "long"',
            id="required-type",
        ),
        pytest.param(
            record("Interactions", field("USER_ID", ["null", "string"]), ITEM, TIME),
            "interactions",
            "type: of USER_ID allows null; Interactions need",
            id="required-null",
        ),
        pytest.param(
            interactions(field("EVENT_VALUE", "double")),
            "interactions",
            'of EVENT_VALUE is double; Interactions need EVENT_VALUE as "float" or ["null", …]',
            id="reserved-type",
        ),
        pytest.param(
            interactions(field("EVENT_TYPE", categorical=True)),
            "interactions",
            "categorical: of EVENT_TYPE is true; a reserved string cannot be categorical",
            id="reserved-categorical",
        ),
        pytest.param(
            items(field("A", "int", categorical=True)),
            "items",
            "categorical: is set for A, which is int; only strings may have it",
            id="categorical-number",
        ),
        pytest.param(
            users(field("BIO", textual=True)),
            "users",
            "textual: is set for BIO; only columns of Items may have it",
            id="textual-user",
        ),
        pytest.param(
            items(field("A", textual=True, categorical=True)),
            "items",
            "textual: is set for A, which is categorical; a column is one or the other",
            id="both",
        ),
        pytest.param(
            items(field("A", textual=True), field("B", textual=True)),
            "items",
            "schema.fields: has 2 textual columns: A, B; one at most",
            id="two-textual",
        ),
        pytest.param(
            items(field("A", itemName=True), field("B", itemName=True)),
            "items",
            "schema.fields: has 2 itemName columns: A, B; one at most",
            id="two-names",
        ),
        pytest.param(
            users(), "users", "has no metadata column; at least one is required", id="bare-users"
        ),
        pytest.param(
            items(field("CREATION_TIMESTAMP", "long")),
            "items",
            "has no metadata column; at least one is required besides the id",
            id="bare-items",
        ),
        pytest.param(
            interactions(*(field(f"C{n}", "int") for n in range(6))),
            "interactions",
            "has 6 columns that are neither required nor reserved; at most 5 are allowed",
            id="quota",
        ),
        pytest.param(
            items(GENRES, doc="x" * 20_000), "items", "; at most 20000 are allowed", id="size"
        ),
    ],
)
def test_an_error_names_its_place_and_what_is_allowed(schema, dataset, expected):
    found = schemas.findings(schema, dataset, None, "schema")

    assert [f for f in found if f.severity == "error" and expected in str(f)]


@pytest.mark.parametrize(
    ("schema", "dataset", "domain", "expected"),
    [
        pytest.param(
            interactions(),
            "interactions",
            "ECOMMERCE",
            'has no EVENT_TYPE; ECOMMERCE Interactions need it as "string"',
            id="event-type",
        ),
        pytest.param(
            items(field("PRICE", "float"), field("CATEGORY_L1")),
            "items",
            "ECOMMERCE",
            'categorical: of CATEGORY_L1 is not true; ECOMMERCE Items need CATEGORY_L1 as "string"',
            id="category",
        ),
        pytest.param(
            items(GENRES, field("CREATION_TIMESTAMP", "long"), field("PRODUCT_DESCRIPTION")),
            "items",
            "VIDEO_ON_DEMAND",
            "textual: of PRODUCT_DESCRIPTION is not true",
            id="description",
        ),
        pytest.param(
            users(field("SUBSCRIPTION_MODEL", "int")),
            "users",
            "VIDEO_ON_DEMAND",
            "type: of SUBSCRIPTION_MODEL is int",
            id="subscription",
        ),
    ],
)
def test_domains_add_their_own_rules(schema, dataset, domain, expected):
    found = schemas.findings(schema, dataset, domain, "schema")

    assert [f for f in found if f.severity == "error" and expected in str(f)]


@pytest.mark.parametrize(
    ("schema", "dataset", "expected"),
    [
        pytest.param(
            interactions(field("EVENT_VALUE", ["float"])),
            "interactions",
            'of "EVENT_VALUE" is the union ["float"] of one type; "float" says the same',
            id="union-of-one",
        ),
        pytest.param(
            users(field("AGE", "int"), name="users"),
            "users",
            'schema.name: is "users"; AWS spells it "Users"',
            id="lower-case-name",
        ),
        pytest.param(
            {k: v for k, v in items(GENRES).items() if k != "version"},
            "items",
            'schema.version: is missing; should be "1.0"',
            id="no-version",
        ),
        pytest.param(
            items(field("YEAR", "int", catagorical=True)),
            "items",
            "catagorical: is not a known key; did you mean categorical?",
            id="typo",
        ),
        pytest.param(
            items(GENRES, hello=1), "items", "hello: is not a known key; known keys: ty", id="extra"
        ),
        pytest.param(
            items(GENRES, field("TITLE")),
            "items",
            "schema.fields[2]: TITLE is a string and neither categorical nor textual; training wi",
            id="plain-string",
        ),
        pytest.param(
            items(GENRES, field("HD", "boolean")),
            "items",
            "type: of HD is boolean; neither training nor filters use booleans",
            id="boolean",
        ),
        pytest.param(
            items(GENRES, field("CREATION_TIMESTAMP", ["null", "long"])),
            "items",
            "type: of CREATION_TIMESTAMP allows null; Items need CREATION_TIMESTAMP as",
            id="null-where-none-is-named",
        ),
    ],
)
def test_what_is_accepted_but_doubtful_is_a_warning(schema, dataset, expected):
    (finding,) = schemas.findings(schema, dataset, None, "schema")

    assert finding.severity == "warning"
    assert expected in str(finding)


def test_one_broken_column_does_not_hide_what_is_wrong_with_the_others():
    schema = record("Items", field("ITEM_ID", "int"), field("TAGS", {"type": "array"}), version="2")

    assert [line.split(" is ")[0] for line in said(schema, "items")] == [
        'schema.fields[1].type: of "TAGS"',
        "schema.version:",
        "schema.fields[0].type: of ITEM_ID",
    ]


@pytest.mark.skipif(not ORIGINAL.exists(), reason=f"{ORIGINAL} is not here")
@pytest.mark.parametrize("dataset", ["interactions", "items", "users"])
def test_the_schemas_of_the_aws_sample_have_no_error(dataset):
    entry = json.loads(ORIGINAL.read_text())["datasets"][dataset]["schema"]["serviceConfig"]

    found = schemas.findings(entry["schema"], dataset, entry["domain"], "schema")

    assert [f for f in found if f.severity == "error"] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["null"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FIELDS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["USER_ID", "A", "a_"]) | JSON},
        optional={
            "type": st.sampled_from(["string", "long", ["null", "int"]]) | JSON,
            "categorical": st.booleans() | JSON,
            **dict.fromkeys(["default", "aliases", "order", "logicalType", "doc"], JSON),
        },
    )
    | JSON,
    max_size=4,
)


@settings(deadline=None)
@given(
    schema=JSON
    | st.builds(
        lambda fields, extra: record("Items", *fields) | extra,
        FIELDS,
        st.dictionaries(st.sampled_from(["type", "name", "aliases", "doc", "namespace"]), JSON),
    ),
    dataset=st.sampled_from(["interactions", "items", "users", "else"]),
    domain=st.sampled_from([None, "ECOMMERCE", "VIDEO_ON_DEMAND", "else"]),
)
def test_no_json_makes_the_check_crash(schema, dataset, domain):
    assert isinstance(schemas.findings(schema, dataset, domain, "schema"), list)
