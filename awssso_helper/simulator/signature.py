"""AWS Signature Version 4, from the server's side: was this request signed with that secret key?

So a helper that hands out a wrong secret key is found out, and not only one with a wrong session token.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[A-Za-z0-9]+)/(?P<scope>[a-z0-9/_-]+), ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;_-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def access_key_id_of(headers: Mapping[str, str]) -> str | None:
    """Give the access key id that a request says it was signed with, or None where it is not signed."""
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    return match["key"] if match else None


def is_signed_with(secret_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether a `POST /` without a query carries the signature of this secret key. Its age is not looked at."""
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        return False
    canonical = "\n".join(
        [
            *("POST", "/", ""),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in match["headers"].split(";")),
            *("", match["headers"], hashlib.sha256(body).hexdigest()),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), match["scope"], hashed])
    key = f"AWS4{secret_key}".encode()
    for part in (*match["scope"].split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(key.hex(), match["signature"])
