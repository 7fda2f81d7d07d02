"""Drains: an app's lines, sent on to where somebody keeps them.

hostd says which drains there are (`document`); the logplex reads each such app's journal once (`feeds`), keeps at most
1,024 messages of it for each drain (`buffer`), sends them (`drain` and the senders), and remembers how far it came
(`places`). What is lost is counted, and said.
"""
