"""Secrets that are made once and then left alone: what is asked for, and what of it is missing.

Servers take their first passwords into their data, so a password that is there is never changed.
"""

import base64
import secrets
import string
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

ALPHABET: Final = string.ascii_letters + string.digits
"""What random values are made of: it needs no quoting in URLs, shells and configuration files."""


class Value(BaseModel):
    """How to come by the value of a key: a random one of `length` characters, or the one that is given."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    length: Annotated[int, Field(ge=16, le=1024)] | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Value":
        if (self.length is None) == (self.value is None):
            raise ValueError("needs either `length` or `value`")
        return self

    def make(self) -> str:
        """Return the value, in Base64."""
        text = self.value
        if text is None:
            text = "".join(secrets.choice(ALPHABET) for _ in range(self.length or 0))
        return base64.b64encode(text.encode()).decode()


class SecretSpec(BaseModel):
    """One Secret that is to be there."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=253)
    labels: dict[str, str] = {}
    keys: dict[str, Value] = Field(min_length=1)
    type: str = "Opaque"

    def manifest(self) -> dict[str, Any]:
        """Return the Secret as it is created."""
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.name, "labels": self.labels},
            "type": self.type,
            "data": {key: value.make() for key, value in self.keys.items()},
        }

    def missing(self, data: Mapping[str, str]) -> dict[str, str]:
        """Return what is to be added to a Secret that has `data`, in Base64."""
        return {key: value.make() for key, value in self.keys.items() if key not in data}


def read(text: bytes) -> list[SecretSpec]:
    """Read the file that says what is asked for.

    Raises:
        ValueError: it says it in another way; the message shows no values.
    """
    return TypeAdapter(list[SecretSpec], config=ConfigDict(hide_input_in_errors=True)).validate_json(text)
