"""The logplex: reads the journals of apps and serves each one's lines, past and live, as one stream.

It stores nothing: journald is the log. It runs as a process of its own, without privileges (`hostd-logplex.service`).
"""
