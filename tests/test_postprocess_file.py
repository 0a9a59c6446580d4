from __future__ import annotations

import pytest

from personalization.aws import S3Path
from personalization.errors import ConfigError
from personalization.parameters import PostprocessSettings
from personalization.postprocess_file import load, places


def test_settings_lie_around_the_output_the_nearest_first():
    found = [it.key for it in places(S3Path("films", "batch/films/genres/run/"))]

    assert found == ["batch/films/genres/postprocess.json", "batch/films/postprocess.json"]
    assert list(places(S3Path("films", "elsewhere/genres/run/"))) == []


def test_settings_are_those_of_the_flow():
    found = load('{"destination": "crm", "options": {"top": 3}}', "it")

    assert found == PostprocessSettings.model_validate(
        {"destination": "crm", "options": {"top": 3}}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "it:1: is not JSON", id="no-json"),
        pytest.param("[]", "is []; write a JSON object", id="a-list"),
        pytest.param(
            '{"output": "s3://a/b/"}', "output: is not a known key; known keys: endp", id="output"
        ),
        pytest.param('{"options": {"topp": 3}}', "options.topp: is not a known key", id="nested"),
        pytest.param('{"target": "b/"}', "target: 'b/' is not an S3 URI", id="no-uri"),
    ],
)
def test_what_is_wrong_is_told_with_the_way_out(text, said):
    with pytest.raises(ConfigError) as wrong:
        load(text, "it")

    assert said in str(wrong.value)
