"""The profile `monitoring` of docker-compose.yml fits the rest: what it scrapes, what it mounts, what Grafana reads."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from monitoring.prometheus_server import program

REPOSITORY = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PROMETHEUS = REPOSITORY / "deploy/monitoring/prometheus.yml"
GRAFANA = REPOSITORY / "deploy/monitoring/grafana"


def test_prometheus_takes_its_configuration():
    done = subprocess.run(
        [program("promtool"), "check", "config", "--syntax-only", PROMETHEUS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_are_named_as_the_alerts_want_and_scrape_services_that_there_are():
    for job in yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))["scrape_configs"]:
        assert re.fullmatch(r"taskyard-[a-z-]+", job["job_name"])
        names = [name for config in job.get("dns_sd_configs", []) for name in config["names"]]
        hosts = [target.partition(":")[0] for config in job.get("static_configs", []) for target in config["targets"]]
        assert names or hosts
        assert {*names, *hosts} <= SERVICES.keys()


def test_what_is_mounted_is_there():
    for name in ("prometheus", "grafana"):
        sources = [volume.partition(":")[0] for volume in SERVICES[name]["volumes"]]
        assert [source for source in sources if source.startswith(".") and not (REPOSITORY / source).exists()] == []


def test_grafana_finds_dashboards_and_prometheus():
    [source] = yaml.safe_load((GRAFANA / "datasources.yml").read_text(encoding="utf-8"))["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert host in SERVICES
    assert SERVICES[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    [provider] = yaml.safe_load((GRAFANA / "dashboards.yml").read_text(encoding="utf-8"))["providers"]
    mounted = dict(volume.split(":")[1::-1] for volume in SERVICES["grafana"]["volumes"])
    folder = REPOSITORY / mounted[provider["options"]["path"]]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads((folder / Path(home).name).read_text(encoding="utf-8"))["uid"] == "taskyard-overview"


def test_nobody_can_log_in_to_grafana_or_change_it():
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"


def test_monitors_start_on_request_and_have_no_rights():
    for name in ("prometheus", "grafana", "postgres-exporter"):
        service = SERVICES[name]
        assert service["profiles"] == ["monitoring"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
