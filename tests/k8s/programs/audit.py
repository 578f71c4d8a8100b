"""audit URL DEADLINE_S: wait for the end of the tasks whose ids are in the text, and say how each came to it.

Result: {"tasks", "missing", "unfinished", "not_succeeded", "completed_twice", "attempts", "lost_attempts"}.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import httpx

CLIENTS = 8
KEY = {"Authorization": f"Bearer {os.environ['TASKYARD_KEY']}"}


async def finished(client, task_id, ends):
    """Return the task with its attempts once it has ended, None where there is none, or as it is at `ends`."""
    while True:
        try:
            answer = await client.get(f"/tasks/{task_id}", params={"wait_s": 20, "include": "attempts"})
        except httpx.TransportError:
            await asyncio.sleep(1)
            continue
        if answer.status_code == 404:
            return None
        if answer.status_code == 200:
            task = answer.json()
            if task["status"] in {"succeeded", "failed", "cancelled"} or time.monotonic() > ends:
                return task
        elif time.monotonic() > ends:
            answer.raise_for_status()
        await asyncio.sleep(0.1)


def judge(result, task_id, task):
    if task is None:
        result["missing"].append(task_id)
        return
    attempts = task["attempts"]
    if task["status"] not in {"succeeded", "failed", "cancelled"}:
        result["unfinished"].append({"id": task_id, "status": task["status"], "attempts": attempts})
    elif task["status"] != "succeeded":
        result["not_succeeded"].append({"id": task_id, "status": task["status"], "attempts": attempts})
    if sum(attempt["outcome"] == "succeeded" for attempt in attempts) > 1:
        result["completed_twice"].append({"id": task_id, "attempts": attempts})
    result["attempts"] += len(attempts)
    result["lost_attempts"] += [
        {"id": task_id, "attempt": attempt["attempt"], "reason": attempt["reason"], "worker": attempt["worker"]}
        for attempt in attempts
        if attempt["outcome"] not in {None, "succeeded"}
    ]


async def main(url, deadline_s):
    ids = json.loads(Path("/given/text").read_text())
    waiting = asyncio.Queue()
    for task_id in ids:
        waiting.put_nowait(task_id)
    lists = ("missing", "unfinished", "not_succeeded", "completed_twice", "lost_attempts")
    result = {"tasks": len(ids), "attempts": 0} | {name: [] for name in lists}
    ends = time.monotonic() + float(deadline_s)

    async def work(client):
        while not waiting.empty():
            task_id = waiting.get_nowait()
            judge(result, task_id, await finished(client, task_id, ends))

    async with httpx.AsyncClient(base_url=url, timeout=60, headers=KEY) as client:
        await asyncio.gather(*(work(client) for _ in range(CLIENTS)))
    print(json.dumps(result))


asyncio.run(main(*sys.argv[1:]))
