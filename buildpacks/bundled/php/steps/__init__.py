"""What the PHP buildpack decides before there is a PHP."""
