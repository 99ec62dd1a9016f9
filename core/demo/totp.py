"""`make totp KEY=...`: what an authenticator app with this key shows now, for a demonstration without a phone."""

from __future__ import annotations

import sys
import time

import pyotp


def main() -> int:
    """Print the code, and how long it lasts. Returns the exit code."""
    key = "".join(sys.argv[1:]).replace(" ", "").upper()
    try:
        code = pyotp.TOTP(key).now()
    except ValueError:
        print(
            'This is not a key. Copy it from the page that shows the QR code: make totp KEY="ABCD EFGH ..."',
            file=sys.stderr,
        )
        return 1
    print(f"{code}  (for {30 - int(time.time()) % 30} more seconds)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
