"""Weir for Python: every model call is decided before it is made and settled after it."""

from .call import Call, call_of
from .client import Weir
from .context import attribute, propagation, resume, run
from .errors import Blocked, Refused, Rejected, Throttled, Unavailable
from .guard import GuardedCall

__all__ = [
    "Blocked",
    "Call",
    "GuardedCall",
    "Refused",
    "Rejected",
    "Throttled",
    "Unavailable",
    "Weir",
    "attribute",
    "call_of",
    "propagation",
    "resume",
    "run",
]
