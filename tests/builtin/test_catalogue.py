"""Laws of the built-in kinds as a whole."""

import json

import pytest
from jsonschema import Draft202012Validator

from taskyard.handlers import load
from taskyard_worker.builtin import MODULES

KINDS = {name: kind for name, kind in load(MODULES).items() if kind.handler.__module__ in MODULES}


def test_the_kinds_are_the_documented_ones():
    assert set(KINDS) == {"data.process", "email.send", "http.request", "image.thumbnail", "sleep", "verify.write"}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_has_a_description_and_a_schema_with_examples_that_fit(name):
    kind = KINDS[name]
    schema = kind.schema()
    Draft202012Validator.check_schema(schema)
    assert kind.description
    assert schema["additionalProperties"] is False
    for example in schema["examples"]:
        assert json.loads(json.dumps(example)) == example
        Draft202012Validator(schema).validate(example)
        kind.payload.validate_python(example)
