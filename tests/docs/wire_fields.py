"""Tables of fields, from the SDK's models of the schemas: name on the wire, JSON type, whether it is required, meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel

from tests.docs import wire_methods as methods
from tests.docs.wire_meanings import FIELDS, SINCE

__all__ = ["ERAS", "Model", "models_of", "named", "table", "types"]

Model = type[BaseModel]

ERAS: Final = ("2025-11-25", "2026-07-28")
"""The revisions whose schemas there are models of; the older ones are in the first."""

_PLAIN: Final[Mapping[object, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_INLINE: Final = ("Params", "Meta", "MetaObject")


def models_of(method: str, era: str, part: Literal["params", "result"]) -> tuple[Model, ...]:
    """Return the models of a method's params or result in an era; none if it has no such thing there."""
    if part == "result":
        for surface in (methods.SERVER_RESULTS, methods.CLIENT_RESULTS):
            if (method, era) in surface:
                return tuple(each for each in _models(surface[method, era]) if each.__name__ != "InputRequiredResult")
        return ()
    for surface in (
        methods.CLIENT_REQUESTS,
        methods.SERVER_REQUESTS,
        methods.CLIENT_NOTIFICATIONS,
        methods.SERVER_NOTIFICATIONS,
    ):
        if (method, era) in surface and "params" in surface[method, era].model_fields:
            return _models(surface[method, era].model_fields["params"].annotation)
    return ()


def table(models: Mapping[str, tuple[Model, ...]]) -> str:
    """Return one table of the fields of the models of each era; empty without fields."""
    rows: dict[str, dict[str, list[tuple[str, bool, str]]]] = {}
    for era, found in models.items():
        for model in found:
            for name, entry in _entries(model):
                rows.setdefault(name, {}).setdefault(era, []).append(entry)
    if not rows:
        return ""
    lines = [_row(name, per, [era for era in models if models[era]]) for name, per in rows.items()]
    return "| field | type | required | meaning |\n|---|---|---|---|\n" + "".join(lines)


def types() -> dict[str, dict[str, tuple[Model, ...]]]:
    """Return the types that methods share, by name and era."""
    found: dict[str, dict[str, tuple[Model, ...]]] = {}
    for era in ERAS:
        seen: dict[str, Model] = {}
        for surface in (
            methods.CLIENT_REQUESTS,
            methods.SERVER_REQUESTS,
            methods.CLIENT_NOTIFICATIONS,
            methods.SERVER_NOTIFICATIONS,
            methods.SERVER_RESULTS,
            methods.CLIENT_RESULTS,
        ):
            for (_, revision), shape in surface.items():
                if revision == era:
                    for model in _models(shape):
                        if named(model):
                            seen[model.__name__] = model
                        _collect(model, seen)
        for name, model in seen.items():
            found.setdefault(name, {})[era] = (model,)
    return dict(sorted(found.items()))


def named(model: Model) -> bool:
    """Whether a type has a table of its own: what is a message, and what has no fields, has none."""
    name = model.__name__
    if name == "InputRequiredResult":
        return True
    is_message = name.endswith(("Request", "Notification", "Result", "RequestParams", "NotificationParams"))
    return bool(model.model_fields) and name.rstrip("0123456789") not in _INLINE and not is_message


def _collect(model: Model, seen: dict[str, Model]) -> None:
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            if inner.__name__ not in seen:
                if named(inner):
                    seen[inner.__name__] = inner
                if inner is not model:
                    _collect(inner, seen)


def _entries(model: Model) -> Iterator[tuple[str, tuple[str, bool, str]]]:
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        yield name, (_type(field.annotation), field.is_required(), f"{model.__name__}.{name}")


def _row(name: str, per: Mapping[str, list[tuple[str, bool, str]]], eras: list[str]) -> str:
    shown = {era: " or ".join(dict.fromkeys(kind for kind, _, _ in entries)) for era, entries in per.items()}
    kinds = [*dict.fromkeys(shown.values())]
    kind = kinds[0] if len(kinds) == 1 else "; ".join(f"{text} ({era})" for era, text in shown.items())
    musts = {era: all(must for _, must, _ in entries) for era, entries in per.items()}
    must = _spoken(musts)
    only = f"; only {' and '.join(per)}" if len(per) < len(eras) else ""
    where = {key for entries in per.values() for _, _, key in entries}
    since = next((SINCE[key] for key in (*where, f"*.{name}") if key in SINCE), None)
    about = FIELDS.get(name, "") + (f"; since {since}" if since else "")
    return f"| `{name}` | {kind} | {must} | {about.lstrip('; ')}{only} |\n"


def _spoken(musts: Mapping[str, bool]) -> str:
    if len(set(musts.values())) == 1:
        return "yes" if next(iter(musts.values())) else "no"
    return ", ".join(f"{era}: {'yes' if must else 'no'}" for era, must in musts.items())


def _type(annotation: object) -> str:
    """Return the JSON type of an annotation."""
    origin = get_origin(annotation)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if origin is Literal:
        return " or ".join(f'`"{each}"`' if isinstance(each, str) else f"`{each}`" for each in get_args(annotation))
    if origin is list:
        inner = _type(get_args(annotation)[0])
        return f"array of {inner}" if " or " not in inner else f"array of ({inner})"
    if origin in (Union, UnionType):
        parts = [_type(each) for each in get_args(annotation) if each is not NoneType]
        return " or ".join(dict.fromkeys(parts))
    if origin is not None and origin is not dict:
        return _type(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})" if named(annotation) else "object"
    return "object" if origin is dict else "any"


def _models(annotation: object) -> tuple[Model, ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    found: list[Model] = []
    for inner in cast("tuple[object, ...]", get_args(annotation)):
        found.extend(_models(inner))
    return tuple(found)
