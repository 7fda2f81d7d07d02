"""The rendezvous: where a client of Heroku's API meets the dyno that it has asked for, over TLS."""
