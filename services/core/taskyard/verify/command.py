"""The command `taskyard verify`."""

import secrets
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

_OPTION_KEY: Final = "TASKYARD_VERIFY_KEY"
_WITH_FAULTS: Final = (50_000, 900.0)
_TASKS: Final = 1000


def verify(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    url: Annotated[str | None, typer.Option(help="The API to verify, such as http://localhost:8000.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar=_OPTION_KEY, help="An API key with tasks:read and tasks:write.")
    ] = None,
    tasks: Annotated[int | None, typer.Option(min=1, help="Canaries to submit; 1,000, or 50,000 with faults.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="What chooses canaries and faults; default: any, and printed.")
    ] = None,
    rate_per_s: Annotated[float, typer.Option(min=0.1, help="Canaries a second, without faults.")] = 200.0,
    longest_s: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds that the longest take, without faults.")
    ] = 2.0,
    wait_s: Annotated[float, typer.Option(min=1, help="Seconds that all may take to end, without faults.")] = 600.0,
    faults: Annotated[
        Literal["none", "local"], typer.Option(help="local: start an installation of its own, and break it.")
    ] = "none",
    duration_s: Annotated[float, typer.Option(min=20, help="Seconds that faults come, with faults.")] = _WITH_FAULTS[1],
    faults_at_least: Annotated[int, typer.Option(min=1, help="Faults to inject at least.")] = 300,
    only: Annotated[str, typer.Option(help="Only these faults, such as rabbitmq,worker.kill.")] = "",
    lease_s: Annotated[float, typer.Option(min=2, help="The workers' lease, with faults.")] = 10.0,
    directory: Annotated[Path, typer.Option(help="Where the local run keeps its servers.")] = Path(".dev"),
) -> None:
    """Prove that no task is lost and none completes twice; ends with 0 where so, 1 where not, 2 where not tried.

    With --url it submits canaries to that installation, follows them to their ends, and prints what it saw. With
    --faults local it starts an installation of its own, and has everything happen to it meanwhile.
    """
    seed = secrets.randbelow(2**32) if seed is None else seed
    try:
        if faults == "none":
            if url is None:
                raise typer.BadParameter("name the installation by --url, or use --faults local")
            from taskyard.verify import remote  # noqa: PLC0415 - only here httpx is needed

            order = remote.Order(url, key, tasks or _TASKS, seed, rate_per_s, longest_s, wait_s)
            status = remote.run(order, typer.echo)
        else:
            from taskyard.verify.faults import run  # noqa: PLC0415 - only here the extra `local` is needed

            status = run.run(
                run.Order(
                    directory=directory.absolute() / "verify",
                    server_directory=directory.absolute() / "server",
                    seed=seed,
                    duration_s=duration_s,
                    tasks=tasks or _WITH_FAULTS[0],
                    at_least=faults_at_least,
                    lease_s=lease_s,
                    faults=[name.strip() for name in only.split(",") if name.strip()],
                ),
                typer.echo,
            )
    except ModuleNotFoundError as error:
        extra = "verify" if faults == "none" else "local"
        typer.echo(
            f"taskyard verify needs the extra `{extra}`, which brings {error.name}: pip install 'taskyard[{extra}]'",
            err=True,
        )
        raise typer.Exit(2) from error
    raise typer.Exit(status)
