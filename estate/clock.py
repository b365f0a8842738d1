"""The clock of the estate: Japan has one, without summer time."""

from __future__ import annotations

from datetime import timedelta, timezone

JST = timezone(timedelta(hours=9), "JST")
