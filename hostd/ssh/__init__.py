"""What sshd and git run: the look-up of a key, the forced command, and the pre-receive hook."""
