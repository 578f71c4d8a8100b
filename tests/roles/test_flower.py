"""Flower asks who comes, wherever others than this machine reach it."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from e2e.stack import Part, free_port
from waiting import eventually

FLOWER = Path(sys.executable).parent / "taskyard-flower"


@pytest.fixture
def flower(rabbitmq, tmp_path):
    port = free_port()
    settings = {
        "CELERY_BROKER_URL": rabbitmq.url_of("flower"),
        "TASKYARD_FLOWER_PORT": str(port),
        "TASKYARD_FLOWER_BASIC_AUTH": "somebody:hunter2",
        "TASKYARD_FLOWER_BROKER_API": rabbitmq.management_url.replace("://", "://flower:flower@") + "/api/",
    }
    part = Part("flower", settings, tmp_path / "flower.log").start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    part.kill()


def test_flower_shows_nothing_without_its_password(flower):
    eventually(lambda: flower.get("/healthcheck").status_code == httpx.codes.OK, "Flower answers", 60)
    for path in ("/", "/workers", "/tasks", "/broker", "/api/workers"):
        assert flower.get(path).status_code == httpx.codes.UNAUTHORIZED, path
        assert flower.get(path, auth=("somebody", "guess")).status_code == httpx.codes.UNAUTHORIZED, path
    assert flower.get("/workers", auth=("somebody", "hunter2")).status_code == httpx.codes.OK


def test_without_a_password_it_listens_on_this_machine_alone(rabbitmq):
    settings = {"CELERY_BROKER_URL": rabbitmq.url_of("flower"), "TASKYARD_FLOWER_HOST": "0.0.0.0"}
    ran = subprocess.run(
        [FLOWER], env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 2
    assert "TASKYARD_FLOWER_BASIC_AUTH" in ran.stderr
