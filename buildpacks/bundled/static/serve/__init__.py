"""What a static site's static.json says, and the configuration of nginx that it means."""
