# Everything here works in an empty clone on a bare machine with Python 3.11 or later; see deploy/local/bootstrap.
# ARGS are passed on: make test ARGS="tests/api -x"

.DEFAULT_GOAL := help
.PHONY: help bootstrap run test check fmt bench chaos docs chart-readme dashboards lock images up down clean
.PHONY: deploy e2e-k8s kind-up kind-test kind-down kind-diagnose minikube-up minikube-test minikube-down minikube-diagnose

BIN := .venv/bin
PACKAGES := services tests docs bench examples deploy
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header
COMPILE := $(LOCK) --universal --python-version 3.11

help: ## say what there is
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

bootstrap: ## make or refresh .venv from the lock
	@deploy/local/bootstrap

run: bootstrap ## run everything on this machine, without Docker, until Ctrl-C
	@$(BIN)/taskyard run $(ARGS)

test: bootstrap ## run the tests, against a real PostgreSQL and a real RabbitMQ
	@$(BIN)/pytest $(ARGS)

check: bootstrap ## judge the code: ruff, mypy, import-linter, secrets in it, known weaknesses of what it stands on
	@$(BIN)/ruff check $(PACKAGES)
	@$(BIN)/ruff format --check $(PACKAGES)
	@$(BIN)/mypy
	@$(BIN)/mypy deploy/monitoring/dashboards
	@$(BIN)/mypy deploy/checks
	@$(BIN)/lint-imports
	@$(BIN)/python deploy/checks/find_secrets.py
	@$(BIN)/python deploy/checks/audit_locks.py

fmt: bootstrap ## format the code, and repair what ruff can
	@$(BIN)/ruff check --fix-only $(PACKAGES)
	@$(BIN)/ruff format $(PACKAGES)

bench: bootstrap ## measure beside rivals, on servers of its own: half an hour (ARGS=--quick: four minutes)
	@$(BIN)/python -m bench $(ARGS)

chaos: bootstrap ## break an installation of its own in every way, and prove that it loses nothing: a quarter of an hour
	@$(BIN)/taskyard verify --faults local $(ARGS)

docs: bootstrap ## write docs/states.md anew from the table in code
	@$(BIN)/python docs/make_states.py

chart-readme: bootstrap ## write the tables of the chart's README anew from its values
	@$(BIN)/python deploy/helm/make_readme.py

dashboards: bootstrap ## write the Grafana dashboards anew from deploy/monitoring/dashboards
	@PYTHONPATH=deploy/monitoring $(BIN)/python -m dashboards

lock: bootstrap ## bring the locked versions in line with pyproject.toml (ARGS=--upgrade: the newest)
	@deploy/local/bootstrap $(COMPILE) pyproject.toml --group dev --extra local -o locks/dev.txt $(ARGS)
	@for part in api dispatcher worker flower; do \
		deploy/local/bootstrap $(COMPILE) pyproject.toml --extra $$part -c locks/dev.txt -o locks/$$part.txt || exit; \
	done
	@echo uv | deploy/local/bootstrap $(COMPILE) - -c locks/dev.txt -o locks/uv.txt
	@deploy/local/bootstrap $(LOCK) --python-version 3.14 --no-deps --group charts -o locks/charts.txt $(ARGS)

images: ## build the container images
	@docker compose build $(ARGS)

up: ## run everything in containers, until Ctrl-C
	@docker compose up --build $(ARGS)

down: ## stop the containers; what they stored stays
	@docker compose down $(ARGS)

kind-up: ## make a cluster with kind, and install Taskyard and what it stands on there (ARGS: options of helm)
	@deploy/kind/up --platform kind -- $(ARGS)

kind-test: ## have Taskyard in that cluster prove itself by helm test
	@deploy/kind/test --platform kind

kind-diagnose: ## collect events, descriptions and logs from that cluster into .dev/diagnosis
	@deploy/kind/diagnose --platform kind $(ARGS)

kind-down: ## remove that cluster
	@deploy/kind/down --platform kind

minikube-up: ## the same with minikube
	@deploy/kind/up --platform minikube -- $(ARGS)

minikube-test: ## the same with minikube
	@deploy/kind/test --platform minikube

minikube-diagnose: ## the same with minikube
	@deploy/kind/diagnose --platform minikube $(ARGS)

minikube-down: ## the same with minikube
	@deploy/kind/down --platform minikube

deploy: ## build the images and install Taskyard in the cluster of KUBECONFIG (ARGS: options of helm)
	@deploy/kind/deploy -- $(ARGS)

e2e-k8s: bootstrap ## prove in the cluster of KUBECONFIG what Taskyard promises there: half an hour (ARGS: options of pytest)
	@deploy/kind/images --tag e2e --tag e2e-next
	@$(BIN)/pytest tests/k8s $(ARGS)

clean: ## remove all that was made here: .venv, caches, and .dev with the local servers and their data
	@rm -rf .venv .dev .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
