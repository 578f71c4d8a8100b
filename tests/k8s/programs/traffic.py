"""traffic URL REQUESTS PER_S: send requests, each once, until there were so many and it is told to stop.

Half of the clients keep their connections, half make one for each request. They submit, read, list and wait for ends.
What is not answered as it must be has failed; nothing is sent again.
Result: {"requests", "failures", "ids", "p50_ms", "p99_ms", "longest_ms", "slowest"}.
"""

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path

import httpx

CLIENTS = 8
KEY = {"Authorization": f"Bearer {os.environ['TASKYARD_KEY']}"}
STOP = Path("/tmp/stop")


class Traffic:
    """What all clients share: the pace, and what came of it."""

    def __init__(self, url, requests, per_s):
        self.url = url
        self.wanted = int(requests)
        self.every_s = 1 / float(per_s)
        self.began = time.monotonic()
        self.sent = 0
        self.ids = []
        self.durations_s = []
        self.slowest = []
        self.failures = []

    async def turn(self):
        """Wait for the moment of the next request; False when there is none."""
        if self.sent >= self.wanted and STOP.exists():
            return False
        due = self.began + self.sent * self.every_s
        self.sent += 1
        await asyncio.sleep(max(0, due - time.monotonic()))
        return True

    async def send(self, client, dice):
        """Send one request and note how it went."""
        what = dice.choices(["submit", "read", "list", "wait"], [50, 30, 10, 10])[0]
        began = time.monotonic()
        try:
            answer = await self.request(client, dice, what if self.ids else "submit")
            expected = 201 if answer.request.method == "POST" else 200
            if answer.status_code != expected:
                self.fail(what, f"{answer.status_code} {answer.text[:200]}")
            elif expected == 201:
                self.ids.append(answer.json()["id"])
        except httpx.HTTPError as error:
            self.fail(what, repr(error))
        if what != "wait":
            took_s = time.monotonic() - began
            self.durations_s.append(took_s)
            if took_s > 1:
                self.slowest.append({"at_s": round(began - self.began, 1), "what": what, "took_s": round(took_s, 1)})

    def fail(self, what, how):
        failure = {"at_s": round(time.monotonic() - self.began, 1), "what": what, "how": how}
        print(json.dumps(failure))
        self.failures.append(failure)

    async def request(self, client, dice, what):
        if what == "submit":
            return await client.post("/tasks", json={"name": "traffic", "tags": ["traffic"]})
        if what == "list":
            return await client.get("/tasks", params={"status": "queued", "limit": 20})
        path = f"/tasks/{dice.choice(self.ids[-200:])}"
        return await client.get(path, params={"wait_s": 3} if what == "wait" else None)

    async def keeping(self, name):
        dice = random.Random(name)
        async with httpx.AsyncClient(base_url=self.url, timeout=30, headers=KEY) as client:
            while await self.turn():
                await self.send(client, dice)

    async def renewing(self, name):
        dice = random.Random(name)
        while await self.turn():
            async with httpx.AsyncClient(base_url=self.url, timeout=30, headers=KEY) as client:
                await self.send(client, dice)

    async def run(self):
        kinds = (self.keeping, self.renewing)
        await asyncio.gather(*(kinds[name % 2](name) for name in range(CLIENTS)))
        ordered = sorted(self.durations_s)
        return {
            "requests": self.sent,
            "failures": self.failures,
            "ids": self.ids,
            "p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
            "p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 1),
            "longest_ms": round(1000 * ordered[-1], 1),
            "slowest": sorted(self.slowest, key=lambda slow: -slow["took_s"])[:50],
        }


print(json.dumps(asyncio.run(Traffic(*sys.argv[1:]).run())))
