"""Templates filled in: everything escaped, one file, no scripts, nothing asked of a network."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from hypocenter.report.wording import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

POLICY = "default-src 'none'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'none'"


def filled(template: str, styles: Iterable[str], **parts: Any) -> str:
    """Return a template of this folder filled in, with its style sheets and a policy that lets nothing else be loaded.

    Texts are cleaned and escaped; markup made here is marked as such in the template.
    """
    environment = _environment()
    style = "".join(environment.get_template(name).render() for name in styles)
    return environment.get_template(template).render(style=style, policy=_policy(style), **parts)


@cache
def _environment() -> jinja2.Environment:
    # It keeps templates as they were compiled: that takes longer than to fill them in.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("hypocenter", "report"),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _harmless(value: Any) -> Any:
    """Clean every text on its way into the page; markup is our own and stays as it is."""
    return clean(value) if type(value) is str else value


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return POLICY.format(style=f"sha256-{digest}")
