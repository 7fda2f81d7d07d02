"""An app on one's own machine: its Procfile run as foreman does, with hostd's own reading of it."""
