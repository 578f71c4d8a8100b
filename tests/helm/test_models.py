"""Schemas read from generated models say what the models say, and refuse fields that are not there."""

from collections.abc import Iterator

import jsonschema_rs
import pytest

from helm import models, schemas

SOURCE = """
class Trigger(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    metadata: dict[str, str]
    type_: Annotated[Literal["rabbitmq", "cron"], Field(alias="type")]

class Anything(BaseModel):
    pass

class Port(RootModel[int | str]):
    root: int | str

class Scaler(Resource):
    __cloudcoil_api__: ClassVar[dict] = {}
    max_replicas: Annotated[int | None, Field(alias="maxReplicas", ge=1)] = None
    triggers: Annotated[list[Trigger], Field(min_length=1)]
    more: Anything | None = None
    port: Port | None = None

    def unrelated(self) -> None: ...
"""
TRIGGER = {"type": "cron", "metadata": {"start": "0 6 * * *"}}


@pytest.fixture
def scaler() -> Iterator[jsonschema_rs.Validator]:
    return jsonschema_rs.validator_for({"$ref": "#/$defs/Scaler", "$defs": models.definitions(SOURCE)})


@pytest.mark.parametrize(
    "right",
    [
        {"triggers": [TRIGGER]},
        {"triggers": [TRIGGER], "maxReplicas": 1, "more": {"of": ["any", "kind"]}, "port": "http"},
        {"triggers": [TRIGGER], "port": 80},
    ],
)
def test_what_the_models_say_is_accepted(scaler, right) -> None:
    assert scaler.is_valid(right)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, '"triggers" is a required property'),
        ({"triggers": []}, "[] has less than 1 item"),
        ({"triggers": [TRIGGER], "maxReplica": 1}, "'maxReplica' was unexpected"),
        ({"triggers": [TRIGGER], "max_replicas": 1}, "'max_replicas' was unexpected"),
        ({"triggers": [TRIGGER], "maxReplicas": 0}, "0 is less than the minimum of 1"),
        ({"triggers": [TRIGGER], "maxReplicas": "1"}, 'is not of type "integer"'),
        ({"triggers": [TRIGGER | {"type": "kafka"}]}, "kafka"),
        ({"triggers": [{"type": "cron"}]}, '"metadata" is a required property'),
        ({"triggers": [TRIGGER | {"metadata": {"value": 4}}]}, '4 is not of type "string"'),
    ],
)
def test_anything_else_is_refused(scaler, wrong, why) -> None:
    assert why in "\n".join(error.message for error in scaler.iter_errors(wrong))


def test_a_kind_that_a_version_does_not_have_is_a_fault() -> None:
    gone = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "api"}}
    assert schemas.faults(gone, "1.30") == ["Kubernetes 1.30 has no PodDisruptionBudget in policy/v1beta1"]


def test_a_field_that_a_version_does_not_have_is_a_fault() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}
    assert schemas.faults(pod, "1.37") == []
    pod["spec"]["containers"][0]["imagePullPolice"] = "Always"
    assert schemas.faults(pod, "1.37") == [
        "spec.containers.0: Additional properties are not allowed ('imagePullPolice' was unexpected)"
    ]
