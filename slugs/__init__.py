"""The btrfs store and the slug compiler: a source tree goes in, a read-only slug comes out."""
