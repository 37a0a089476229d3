"""``karyonet stages``: what is installed."""

from __future__ import annotations


def stages() -> None:
    """List the installed stages: what each one does, needs and gives."""
    from rich.console import Console
    from rich.table import Table

    from karyonet import stage
    from karyonet.errors import ConfigError

    table = Table(title="Installed stages", show_lines=True)
    table.add_column("use", no_wrap=True)
    for heading in ("does", "needs", "gives"):
        table.add_column(heading, overflow="fold")
    for name in stage.registered():
        try:
            cls = stage.load(name)
        except ConfigError as error:
            table.add_row(name, f"[red]{error}[/red]", "", "")
            continue
        table.add_row(name, cls.summary, "\n".join(sorted(cls.requires)), "\n".join(sorted(cls.assigns)))
    Console().print(table)
