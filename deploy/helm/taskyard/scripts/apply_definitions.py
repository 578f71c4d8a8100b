"""Bring definitions, queues and policies, to a running RabbitMQ by its management API; needs no more than Python.

Argument: the file. TASKYARD_BROKER_MANAGEMENT: http://user:password@host:15672. Waits for RabbitMQ up to 10 minutes.
"""

import base64
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

WAIT_S = 600.0
PAUSE_S = 3.0
HTTP_SERVER_ERROR = 500


def request_for(management: str, body: bytes) -> urllib.request.Request:
    """Return the request that imports `body`; user and password go from the URL into a header."""
    parts = urllib.parse.urlsplit(management)
    user = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    host = parts.netloc.rpartition("@")[2]
    return urllib.request.Request(  # noqa: S310 - the scheme comes from the values of the chart
        f"{parts.scheme}://{host}/api/definitions",
        data=body,
        headers={
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        },
    )


def apply(request: urllib.request.Request) -> str | None:
    """Send it once. Return None when it was taken, or why it may work later.

    Raises:
        SystemExit: it never will: RabbitMQ refuses it.
    """
    try:
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - as above
            return None
    except urllib.error.HTTPError as error:
        answer = error.read(2000).decode(errors="replace")
        if error.code >= HTTP_SERVER_ERROR:
            return f"{error.code}: {answer}"
        sys.exit(f"RabbitMQ refuses the definitions: {error.code}: {answer}")
    except OSError as error:
        return str(error)


def main() -> None:
    """Try until it is done, or until the time is over."""
    request = request_for(os.environ["TASKYARD_BROKER_MANAGEMENT"], Path(sys.argv[1]).read_bytes())
    deadline = time.monotonic() + WAIT_S
    while reason := apply(request):
        if time.monotonic() > deadline:
            sys.exit(f"gave up after {WAIT_S:.0f} s: {reason}")
        print(f"RabbitMQ is not there yet: {reason}", flush=True)
        time.sleep(PAUSE_S)
    print("RabbitMQ has the definitions.")


if __name__ == "__main__":
    main()
