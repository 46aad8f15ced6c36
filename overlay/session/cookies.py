"""Cookies: under load, only who receives what is sent to its source gets an answer that costs (protocol section 3)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2s
from hmac import compare_digest

from overlay.session.layout import COOKIE_SIZE
from overlay.values import Direct, Link, guess_source

ROTATION = 120.0
"""Seconds a secret makes cookies; it accepts them for as long again."""


class Cookies:
    """Makes cookies and knows its own again, without remembering any."""

    def __init__(self, keygen: Callable[[int], bytes], *, now: float) -> None:
        self._keygen = keygen
        self._secret = self._before = keygen(32)
        self._made_at = now

    def make(self, link: Link, share: bytes, *, now: float) -> bytes:
        """The cookie for an m1 with `share` that came over `link`."""
        self._rotate(now)
        return _cookie(self._secret, link, share)

    def check(self, cookie: bytes, link: Link, share: bytes, *, now: float) -> bool:
        """Whether `cookie` was made for this link and share, in this rotation or the one before."""
        self._rotate(now)
        return any(compare_digest(cookie, _cookie(secret, link, share)) for secret in (self._secret, self._before))

    def renew(self, *, now: float) -> None:
        """Forget both secrets."""
        self._secret = self._before = self._keygen(32)
        self._made_at = now

    def _rotate(self, now: float) -> None:
        age = now - self._made_at
        if age >= 2 * ROTATION:
            self.renew(now=now)
        elif age >= ROTATION:
            self._before, self._secret = self._secret, self._keygen(32)
            self._made_at = now


def _cookie(secret: bytes, link: Link, share: bytes) -> bytes:
    source = str(link.endpoint) if isinstance(link, Direct) else guess_source(link)
    return blake2s(source.encode() + share, digest_size=COOKIE_SIZE, key=secret).digest()
