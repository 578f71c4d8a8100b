"""What selects what, by labels, as Kubernetes does it."""

from collections.abc import Mapping

from helm.rendering import Object


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Say whether a label selector picks what has these labels; an empty one picks all."""
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(_holds(expression, labels) for expression in expressions)


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(expression["operator"])
