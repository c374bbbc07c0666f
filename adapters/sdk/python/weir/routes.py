"""The ways out of an HTTP client, each with Weir in it: its transport, proxies, those of the environment."""

from __future__ import annotations

import ipaddress
from types import ModuleType
from typing import Any, Callable
from urllib.request import getproxies

TRANSPORT_OPTIONS = ("verify", "cert", "http1", "http2", "limits", "trust_env")


def routed(
    http: ModuleType, kind: Any, decided: Callable[[Any], Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Options for a client of `http` that goes nowhere but through `decided`. `kind` is the class of its
    plain transports; a client made with a proxy would otherwise go past the transport it is given."""
    options = dict(options)
    given = {name: options[name] for name in TRANSPORT_OPTIONS if name in options}
    transport, proxy = options.pop("transport", None), options.pop("proxy", None)
    own = {route: inner and decided(inner) for route, inner in options.pop("mounts", {}).items()}

    def direct() -> Any:
        return decided(kind(**given))

    def through(proxy: Any) -> Any:
        return decided(kind(proxy=proxy, **given))

    routes: dict[str, Any] = {}
    if transport is None and proxy is None and options.get("trust_env", True):
        routes = {
            route: through(address) if address else direct()
            for route, address in _proxies_of_environment().items()
        }
    if proxy is not None:
        default = through(proxy)
    else:
        default = direct() if transport is None else decided(transport)
    return options | {"transport": default, "mounts": routes | own}


def _proxies_of_environment() -> dict[str, str]:
    """Proxies by route, "" for none; the variables are read as httpx reads them."""
    told = getproxies()
    hosts = [host.strip() for host in told.get("no", "").split(",") if host.strip()]
    if "*" in hosts:
        return {}
    proxies = {
        f"{scheme}://": address if "://" in address else f"http://{address}"
        for scheme in ("http", "https", "all")
        if (address := told.get(scheme))
    }
    return proxies | {_route_to(host): "" for host in hosts} if proxies else {}


def _route_to(host: str) -> str:
    if "://" in host:
        return host
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    return f"all://[{address}]" if address.version == 6 else f"all://{address}"
