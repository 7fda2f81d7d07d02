"""The logplex: reads the journal namespace `hostd` and serves each app's lines, past and live, as one stream.

It stores nothing: journald is the log. It runs as a process of its own, without privileges (`hostd-logplex.service`).
"""
