"""Requests that servers are known to disagree about, and real servers to ask what they took for one."""
