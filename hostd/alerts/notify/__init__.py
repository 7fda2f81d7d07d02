"""Notifying: to whom an alert goes, and the ways there: mail, a POST by https, a program of the operator's."""
