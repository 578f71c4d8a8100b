"""JSON Schemas of custom resources, read from the source of generated pydantic models.

The models are made from the CustomResourceDefinitions, and are the only form of them on the package index. They are
read, not imported: they need a newer Python than may be here, and they accept fields that are not there, while a
schema of ours does not. The models of a module are plain classes of annotated names:

    class ScaledObjectSpec(BaseModel):
        min_replica_count: Annotated[int | None, Field(alias="minReplicaCount", ge=0)] = None
"""

import ast
from typing import Any

Schema = dict[str, Any]

PLAIN: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Any": {},
    "AwareDatetime": {"type": "string", "format": "date-time"},
    "ObjectMeta": {"type": "object", "required": ["name"]},
}
BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "pattern": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
}
LENGTHS_OF_LISTS = {"min_length": "minItems", "max_length": "maxItems"}


def definitions(source: str) -> dict[str, Schema]:
    """Return the schema of each model of a module, by the model's name; they refer to one another in `#/$defs/`."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    names = {node.name for node in classes}
    return {node.name: _model(node, names) for node in classes}


def _model(node: ast.ClassDef, names: set[str]) -> Schema:
    [base] = node.bases
    if isinstance(base, ast.Subscript):  # RootModel[…]
        return _annotation(base.slice, names)
    fields = [line for line in node.body if isinstance(line, ast.AnnAssign) and not _is_class_variable(line)]
    properties, required = {}, []
    for field in fields:
        name, schema = _field(field, names)
        properties[name] = schema
        if field.value is None:
            required.append(name)
    if not fields:  # a resource may hold anything there
        return {"type": "object"}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _is_class_variable(line: ast.AnnAssign) -> bool:
    return ast.unparse(line.annotation).startswith("ClassVar") or ast.unparse(line.target) == "model_config"


def _field(line: ast.AnnAssign, names: set[str]) -> tuple[str, Schema]:
    alias = ast.unparse(line.target)
    for call in ast.walk(line.annotation):
        if isinstance(call, ast.Call):
            alias = _keywords(call).get("alias", alias)
    return alias, _annotation(line.annotation, names)


def _keywords(call: ast.Call) -> dict[str, Any]:
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}


def _annotation(node: ast.expr, names: set[str]) -> Schema:
    """Return the schema of a type as it is written."""
    text = ast.unparse(node)
    if text in PLAIN:
        return PLAIN[text]
    if text in names:
        return {"$ref": f"#/$defs/{text}"}
    if isinstance(node, ast.BinOp):
        # What may be left out may be null as well, but a null in a manifest is a mistake.
        sides = [_annotation(side, names) for side in (node.left, node.right) if ast.unparse(side) != "None"]
        return sides[0] if len(sides) == 1 else {"anyOf": sides}
    if isinstance(node, ast.Subscript):
        return _generic(ast.unparse(node.value), node.slice, names)
    raise ValueError(f"no schema for {text}")


def _generic(name: str, inside: ast.expr, names: set[str]) -> Schema:
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    match name:
        case "Literal":
            return {"enum": [ast.literal_eval(part) for part in parts]}
        case "list":
            return {"type": "array", "items": _annotation(parts[0], names)}
        case "dict":
            return {"type": "object", "additionalProperties": _annotation(parts[1], names)}
        case "Annotated":
            return _bounded(_annotation(parts[0], names), parts[1:])
    raise ValueError(f"no schema for {name}[…]")


def _bounded(schema: Schema, notes: list[ast.expr]) -> Schema:
    """Add the bounds of `Field(…)`."""
    words = BOUNDS | (LENGTHS_OF_LISTS if schema.get("type") == "array" else {})
    for note in notes:
        if isinstance(note, ast.Call) and ast.unparse(note.func) == "Field":
            schema = schema | {words[word]: value for word, value in _keywords(note).items() if word in words}
    return schema
