"""What bundled buildpacks share: shell libraries to source, and the stdlib-only programs behind them."""
