"""docs/api-reference.md, written from the OpenAPI document, and docs/verdict.schema.json, from the types of the model.

`python tests/servers/api_reference.py` writes them anew.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path(__file__).parents[2] / "docs" / "api-reference.md"
SCHEMA = PAGE.with_name("verdict.schema.json")
FORM = "application/x-www-form-urlencoded"
HEAD = """\
# The operations of the API

Written from the OpenAPI document of the server, `/api/v1/openapi.json`, which has the shapes of all answers; by
`make api-reference`. [How it is used](api.md).
"""
COMMON = ("If-None-Match", "limit", "cursor")


def reference(document: Mapping[str, Any]) -> str:
    """Return the page: a section for each tag, in it each operation with its scope and parameters."""
    parts = [HEAD]
    for tag in document["tags"]:
        operations = list(_of(document, tag["name"]))
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}\n")
        parts += [_operation(*each, document) for each in operations]
    return "\n".join(parts)


def _of(document: Mapping[str, Any], tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method.upper(), path, operation


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    said = operation.get("description", operation["summary"]).split("\n")[0]
    if method == "POST" and "summary" in operation and said.startswith("docs/"):
        said = f"{operation['summary']}; {said.removesuffix(' tells more.')}."
    lines = [f"### `{method} {path}`\n", f"{said} Needs {_scope(operation)}.\n"]
    rows = [*_parameters(operation), *_fields(operation, document)]
    if rows:
        lines += ["| name | in | what |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _scope(operation: Mapping[str, Any]) -> str:
    security = operation["security"]
    if not security:
        return "nothing"
    (named,) = security[0].values()
    return f"scope `{named[0]}`" if named else "any token"


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", ()):
        if each["name"] not in COMMON:
            yield _row(each["name"], each["in"], each.get("description", ""), each.get("schema", {}))


def _fields(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    for name, field in content.get(FORM, {}).get("schema", {}).get("properties", {}).items():
        yield _row(name, "form", field["description"], field)
    schema = content.get("application/json", {}).get("schema", {})
    named = next((each["$ref"] for each in (schema, *schema.get("allOf", ())) if "$ref" in each), None)
    if named is not None:
        fields = document["components"]["schemas"][named.rpartition("/")[2]]["properties"]
        for name, field in fields.items():
            yield _row(name, "body", field.get("description", ""), field)


def _row(name: str, where: str, said: str, schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    usual = f" `{default}` where it is left out." if default not in (None, "", False, True) else ""
    return f"| `{name}` | {where} | {said.replace('|', chr(92) + '|')}{usual} |"


def document() -> Mapping[str, Any]:
    """Return the document of the server."""
    from query_client import sources_of

    from hypocenter.api.query.app import create_query_app
    from hypocenter.stores.opening import open_records

    with tempfile.TemporaryDirectory() as folder, closing(open_records(f"{folder}/records.db", "default")) as records:
        return create_query_app(sources_of(records)).openapi()


def schema() -> str:
    """Return the published schema of verdicts as text."""
    from hypocenter.api.query.verdict_shapes import verdict_schema

    return json.dumps(verdict_schema(), indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(document()), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
