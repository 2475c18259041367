"""The commands `overburden reports`: what communities report, taken in, linked to sites, and shared only by consent."""

import typer

app = typer.Typer(no_args_is_help=True, help="Community reports: taken in, linked to sites, never public by themselves.")


@app.callback()
def _group() -> None:
    """Keep the commands in a group."""
