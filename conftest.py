"""Plugins of the tests; pytest takes them here alone, above all that is collected."""

from __future__ import annotations

pytest_plugins = ["command_fixtures", "server_fixtures", "store_fixtures"]
