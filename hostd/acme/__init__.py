"""Certificates that apps get by themselves: from a certificate authority that speaks ACME (RFC 8555)."""
