"""Services that the environment of a container names: `CATALOGUE_ADDR=catalogue:8080`, URLs and connection strings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypocenter_graph.discover.kubernetes_objects import Key, Workload

# A host stands alone, in a list, after // or @ of a URL, or within tcp(...) as Go's drivers have it.
_HOST = re.compile(r"(?:^|//|[@(,])(?P<host>[a-z0-9][a-z0-9.-]*)(?P<port>:\d{1,5})?(?=[/?#),;\s]|$)", re.IGNORECASE)
_ADDRESS_WORDS = re.compile(r"(?:HOST|HOSTNAME|HOSTS|ADDR|ADDRESS|URL|URI|ENDPOINT|SERVERS?|BROKERS?|DSN|UPSTREAM)\d*$")
_LONGEST = 4096


def services_named(workload: Workload) -> Iterator[Key]:
    """Yield the keys of Services that a workload's environment names, whether there are such or not.

    A bare word is one where its variable's name ends as those of addresses do.
    """
    for container in workload.containers:
        env = container.get("env")
        for entry in env if isinstance(env, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("value"), str):
                for host in hosts_in(str(entry.get("name")), entry["value"]):
                    yield service_key(host, workload.namespace)


def hosts_in(variable: str, value: str) -> list[str]:
    """Return the hosts that the value of an environment variable names.

    >>> hosts_in("DB", "postgres://user:pass@db.shop:5432/x"), hosts_in("KAFKA", "k-0.k:9092,k-1.k:9092")
    (['db.shop'], ['k-0.k', 'k-1.k'])
    >>> hosts_in("CART_HOST", "cart"), hosts_in("MODE", "cart")
    (['cart'], [])
    """
    named = bool(_ADDRESS_WORDS.search(variable.upper()))
    value = value.strip()[:_LONGEST]
    return [
        m["host"] for m in _HOST.finditer(value) if named or m["port"] or value[: m.start("host")].endswith(("//", "@"))
    ]


def service_key(host: str, namespace: str) -> Key:
    """Return the key of the Service that a cluster's DNS finds for `host` from within `namespace`.

    >>> service_key("db.prod.svc.cluster.local", "shop"), service_key("db", "shop")
    (('Service', 'prod', 'db'), ('Service', 'shop', 'db'))
    """
    name, _, rest = host.partition(".")
    return "Service", rest.split(".")[0] or namespace, name
