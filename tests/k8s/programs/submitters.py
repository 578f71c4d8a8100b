"""submitters URL SEED: submit tasks with idempotency keys until told to stop, however often parts of Taskyard die.

Each submission is sent until it is answered with 201 or 200, always with its own key; then its id is written down.
Result: {"ids", "answers": {status: count}, "failed_tries"}.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

import httpx

CLIENTS = 6
KEY = {"Authorization": f"Bearer {os.environ['TASKYARD_KEY']}"}
PAUSE_S = 1.0
STOP = Path("/tmp/stop")


def body(dice, key):
    """One of short and long tasks, each of which would be seen to run twice or not at all."""
    seconds = dice.choice([0, 0, 0.5, 1, 2, 5])
    return {"name": key, "kind": "sleep", "payload": {"seconds": seconds}, "tags": ["submitters"]}


async def submit(client, task, key, tally):
    """Send the task until it is recorded. Returns its id."""
    while True:
        try:
            answer = await client.post("/tasks", json=task, headers={"Idempotency-Key": key})
            if answer.status_code in {200, 201}:
                tally[answer.status_code] += 1
                return answer.json()["id"]
            if answer.status_code < 500:
                answer.raise_for_status()
            tally["failed"] += 1
        except httpx.TransportError:
            tally["failed"] += 1
        await asyncio.sleep(0.5)


async def work(client, name, seed, ids, tally):
    dice = random.Random(f"{seed}-{name}")
    number = 0
    while not STOP.exists():
        number += 1
        key = f"{seed}-{name}-{number}"
        ids.append(await submit(client, body(dice, key), key, tally))
        await asyncio.sleep(dice.uniform(0.5, 1.5) * PAUSE_S)


async def main(url, seed):
    ids, tally = [], Counter()
    async with httpx.AsyncClient(base_url=url, timeout=15, headers=KEY) as client:
        await asyncio.gather(*(work(client, name, seed, ids, tally) for name in range(CLIENTS)))
    failed = tally.pop("failed", 0)
    print(json.dumps({"ids": sorted(set(ids)), "answers": tally, "failed_tries": failed}))


asyncio.run(main(*sys.argv[1:]))
