"""What the Ruby buildpack decides before there is a Ruby."""
