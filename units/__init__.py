"""Talks to systemd, journald, cgroups and namespaces: starts, stops, watches and reads units."""
