"""`rli-agent demo`: see the agent at work without a run of one's own."""

from __future__ import annotations

from pathlib import Path

import click

#: Whose runs there are in `samples/`.
FRAMEWORKS = ("areal", "nemo-rl", "openrlhf", "prime-rl", "skyrl", "slime", "trl", "verl")


@click.command()
@click.option("--framework", type=click.Choice(FRAMEWORKS), default="prime-rl", show_default=True, help="Whose run.")
@click.option(
    "--speed", type=click.FloatRange(0.1, 1000), default=1.0, show_default=True,
    help="So many times as fast as the run was; the durations that its lines print stay.",
)  # fmt: skip
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Leave the run and its store in DIR, which must be empty or new; otherwise they go when the demo ends.",
)  # fmt: skip
@click.option("--listen", metavar="HOST:PORT", help="Serve /metrics here, as `rli-agent watch --listen` does.")
def command(framework: str, speed: float, keep: Path | None, listen: str | None) -> int:
    """Play a made-up run of some 45 s, and watch it. Ctrl-C ends it."""
    import os
    import shutil
    import sys
    import tempfile

    from rli_agent.demo import demo
    from rli_agent.errors import UserError
    from rli_agent.terminal import say

    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise UserError(f"{keep} is not empty", "give a directory that is new or empty")
    home = keep.absolute() if keep is not None else Path(tempfile.mkdtemp(prefix="rli-agent-demo-"))
    home.mkdir(parents=True, exist_ok=True)
    try:
        status = demo(framework, home, speed, ["--listen", listen] if listen else [], say)
    finally:
        if keep is None:
            shutil.rmtree(home, ignore_errors=True)
    program = "rli-agent" if shutil.which("rli-agent") else os.path.relpath(sys.argv[0])
    say(f"\nThat was the demo. For a run of your own: {program} watch OUTPUT_DIR")
    if keep is not None:
        say(f"The run and its store stay in {home}.")
    return status
