"""Git over https: git's smart protocol for who has a token, beside git over ssh."""
