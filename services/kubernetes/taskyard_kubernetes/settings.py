"""Settings of the guard, and of all that talks to the cluster, from the environment."""

from pydantic import Field

from taskyard.settings import DatabaseSettings, ProcessSettings


class ClusterSettings(ProcessSettings):
    """Where the API server is."""

    kubernetes_url: str = Field(
        "", description="API server that wants no token, such as a `kubectl proxy`; empty: the pod's own cluster"
    )
    guard_namespace: str = Field("", description="namespace of the workers' pods; empty: that of the service account")


class GuardSettings(ClusterSettings, DatabaseSettings):
    """Which pods the guard looks after, and how often."""

    guard_selector: str = Field("taskyard.dev/pool", min_length=1, description="label selector of the workers' pods")
    guard_poll_s: float = Field(2.0, ge=0.1, le=60, description="seconds between looks at what runs")
