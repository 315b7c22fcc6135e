"""Whose series they are on a server of metrics that several tenants share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypocenter.access import served_tenants
from hypocenter.readers.selectors import Selector, exactly

if TYPE_CHECKING:
    from hypocenter.batches import Labels

LABEL = "hypocenter_tenant"


class Alone:
    """The owner of all series that a server holds; `matcher` is what tells its own from others' in a selector."""

    @property
    def matcher(self) -> str:
        """The matcher of the series that are ours, "" where all are."""
        return ""

    def ours(self, labels: Labels) -> Labels | None:
        """Return the labels of a series as we know it: as the server does."""
        return labels

    def plain(self, labels: Labels) -> Labels:
        """Return labels that somebody sent as we know them: as they came."""
        return labels

    def theirs(self, labels: Labels) -> Labels:
        """Return the labels of a series of ours as the server knows it: as we do."""
        return labels

    def narrowed(self, selector: Selector) -> Selector:
        """Return the selector of those series that are ours, whatever else it asks of them.

        >>> str(OneOfMany("acme").narrowed(Selector("up", 'hypocenter_tenant="globex"')))
        'up{hypocenter_tenant="globex",hypocenter_tenant="acme"}'
        """
        return Selector(selector.name, ",".join(filter(None, (selector.matchers, self.matcher))))


@dataclass(frozen=True, slots=True)
class OneOfMany(Alone):
    """The owner of the series with a label that names the tenant; "" is the tenant whose series have none.

    What others call their series makes no difference: the label is taken off whatever comes from them.
    """

    tenant: str

    @property
    def matcher(self) -> str:
        """The matcher of the series that are ours."""
        return exactly({LABEL: self.tenant})[1:-1]

    def ours(self, labels: Labels) -> Labels | None:
        """Return the labels of a series of the server as we know it, None where it is somebody else's.

        >>> OneOfMany("acme").ours((("__name__", "up"), ("hypocenter_tenant", "acme")))
        (('__name__', 'up'),)
        """
        return self.plain(labels) if dict(labels).get(LABEL, "") == self.tenant else None

    def plain(self, labels: Labels) -> Labels:
        """Return labels that somebody sent without the one that names a tenant."""
        return tuple(pair for pair in labels if pair[0] != LABEL)

    def theirs(self, labels: Labels) -> Labels:
        """Return the labels of a series of ours as the server knows it.

        >>> OneOfMany("acme").theirs((("__name__", "up"), ("hypocenter_tenant", "globex")))
        (('__name__', 'up'), ('hypocenter_tenant', 'acme'))
        """
        plain = self.plain(labels)
        return tuple(sorted((*plain, (LABEL, self.tenant)))) if self.tenant else plain


def owner_of(tenant: str | None) -> Alone:
    """Return the owner that a tenant is (None: that of the settings) on a server that those of the settings share."""
    return OneOfMany(tenant or "") if len(served_tenants()) > 1 else Alone()
