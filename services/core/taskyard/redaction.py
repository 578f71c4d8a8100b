"""What of a kind's payloads and results is secret, and keeping it out of what others see.

A kind names members: a bare name is secret at any depth, a dotted path from the root of the document on; arrays on the
way are passed through, and upper and lower case are the same. What a secret member holds is secret as a whole.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "[redacted]"
"""What stands in the place of a secret."""

MAX_NAMES: Final = 100
NAME_PATTERN: Final = r"^[^.\s\x00]{1,100}(\.[^.\s\x00]{1,100}){0,9}$"

_WORD_CHARS: Final = 5  # a shorter secret is replaced only where it stands by itself: "1" is in every text
_PIECE_CHARS: Final = 8  # of the beginning or the end of a secret that was cut, as `repr` and limits of length do
_CUT_CHARS: Final = 16


class Redaction:
    """The secret members of one kind's documents. `whole`: everything is secret, whatever its name."""

    def __init__(self, names: Iterable[str], *, whole: bool = False) -> None:
        parts = [tuple(name.casefold().split(".")) for name in names]
        self._bare = frozenset(path[0] for path in parts if len(path) == 1)
        self._paths = tuple(path for path in parts if len(path) > 1)
        self._whole = whole

    def __bool__(self) -> bool:
        """Whether anything is secret."""
        return bool(self._bare or self._paths or self._whole)

    def apply(self, document: Any) -> Any:
        """Return `document` with `REDACTED` for each secret that it holds; null stays, so that its absence shows."""
        if not self or document is None:
            return document
        if self._whole:
            return dict.fromkeys(document, REDACTED) if isinstance(document, dict) else REDACTED
        return self._applied(document, self._paths)

    def secrets(self, document: Any) -> "Secrets":
        """Return the secret values of `document`, to be taken out of texts."""
        if not self:
            return NO_SECRETS
        return Secrets(_leaves(document) if self._whole else self._found(document, self._paths))

    def covers(self, path: Sequence[str | int]) -> bool:
        """Whether the value at this path of names and indexes is secret, or part of a secret."""
        names = tuple(part.casefold() for part in path if isinstance(part, str))
        named = any(names[: len(secret)] == secret for secret in self._paths)
        return self._whole or named or not self._bare.isdisjoint(names)

    def places(self, document: Any, path: str) -> Iterator[str]:
        """Give the places in `document` where `REDACTED` stands for a secret: a copy of what was shown."""
        yield from self._marked(document, self._paths, path, secret=self._whole)

    def _applied(self, value: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
        if isinstance(value, dict):
            return {
                name: (REDACTED if item is not None else None) if secret else self._applied(item, rest)
                for name, item, secret, rest in self._members(value, paths)
            }
        if isinstance(value, list | tuple):
            return [self._applied(item, paths) for item in value]
        return value

    def _found(self, value: Any, paths: tuple[tuple[str, ...], ...]) -> Iterator[Any]:
        if isinstance(value, dict):
            for _, item, secret, rest in self._members(value, paths):
                yield from _leaves(item) if secret else self._found(item, rest)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from self._found(item, paths)

    def _marked(self, value: Any, paths: tuple[tuple[str, ...], ...], at: str, *, secret: bool) -> Iterator[str]:
        if isinstance(value, dict):
            for name, item, is_secret, rest in self._members(value, paths):
                yield from self._marked(item, rest, f"{at}.{name}", secret=secret or is_secret)
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from self._marked(item, paths, f"{at}[{index}]", secret=secret)
        elif secret and value == REDACTED:
            yield at

    def _members(
        self, members: dict[str, Any], paths: tuple[tuple[str, ...], ...]
    ) -> Iterator[tuple[str, Any, bool, tuple[tuple[str, ...], ...]]]:
        """Give each member, whether it is secret, and what is left of the paths below it."""
        for name, item in members.items():
            folded = name.casefold()
            rest = tuple(path[1:] for path in paths if path[0] == folded)
            yield name, item, folded in self._bare or () in rest, rest


class Secrets:
    """Values that no text may show. Cheap to make: they are looked at when the first text comes."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._values = values

    def scrub(self, text: str) -> str:
        """Return `text` with `REDACTED` for each secret, also where it is quoted, escaped or cut short."""
        for form in self._forms:
            if len(form) < _WORD_CHARS:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", REDACTED, text)
            else:
                text = text.replace(form, REDACTED)
        for form in self._forms:
            if len(form) >= _CUT_CHARS:
                text = _without_beginning(text, form, REDACTED)
                text = _without_beginning(text[::-1], form[::-1], REDACTED[::-1])[::-1]
        return text

    @cached_property
    def _forms(self) -> list[str]:
        """How the secrets are written, the longest first, as a short one may be part of it."""
        return sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)


NO_SECRETS: Final = Secrets(())


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def _forms(value: Any) -> Iterator[str]:
    """Give how `value` is written: plain, and as Python, JSON and URLs write it."""
    text = str(value)
    if not text.strip():
        return
    yield text
    yield text.strip()
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    encodable = text.encode("utf-8", "replace")
    yield quote(encodable, safe="")
    yield quote_plus(encodable)


def _without_beginning(text: str, form: str, mark: str) -> str:
    """Return `text` with `mark` for each piece of it with which `form` begins."""
    kept, at = [], 0
    while (found := text.find(form[:_PIECE_CHARS], at)) >= 0:
        end = found + _PIECE_CHARS
        while end < len(text) and end - found < len(form) and text[end] == form[end - found]:
            end += 1
        kept += [text[at:found], mark]
        at = end
    return "".join([*kept, text[at:]])
