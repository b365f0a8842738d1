"""The commands, group by group. Importing this file takes a while; `main` is ready for Ctrl-C before it does."""

from __future__ import annotations

import typer

from . import (
    calibrate,
    compare,
    deploy,
    drift,
    estate_files,
    guard,
    imports,
    lab,
    licences,
    network,
    plan,
    report,
    runbook,
    simulate,
    sweep,
)
from .help_pages import wrap_help

app = typer.Typer(
    name="kumiai",
    help="組合: 自治体クラウドの計画、ライセンス、構築。",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
estate_files.register(app)
plan.register(app)
simulate.register(app)
compare.register(app)
imports.register(app)
calibrate.register(app)
sweep.register(app)
licences.register(app)
report.register(app)
deploy.register(app)
guard.register(app)
drift.register(app)
network.register(app)
lab.register(app)
runbook.register(app)
wrap_help(app)
