"""relay URL: pass on, with the key, whatever comes at port 8080, until it is killed.

Kubernetes' API, through which the tests reach this pod, takes the header Authorization for itself.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

CLIENT = httpx.Client(
    base_url=sys.argv[1],
    timeout=60,
    headers={"Authorization": f"Bearer {os.environ['TASKYARD_KEY']}"},
    # A pod of the API that was killed would be heard of only by the next request.
    limits=httpx.Limits(max_keepalive_connections=0),
)


class Relay(BaseHTTPRequestHandler):
    def do_GET(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            answer = CLIENT.request(self.command, self.path, content=sent, headers={"Content-Type": "application/json"})
            status, body = answer.status_code, answer.content
        except httpx.TransportError as error:
            status, body = 502, repr(error).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class calls it so


ThreadingHTTPServer(("", 8080), Relay).serve_forever()
