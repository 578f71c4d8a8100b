"""The dashboards of Taskyard, as code: `make dashboards` writes them as Grafana wants them."""
