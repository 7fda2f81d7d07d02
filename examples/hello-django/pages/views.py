"""One page that says which Django, on which Python, in which dyno."""

import os
import platform

import django
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def home(request: HttpRequest) -> HttpResponse:
    """Shows where the request was answered."""
    where = {
        "django": django.get_version(),
        "python": platform.python_version(),
        "dyno": os.environ.get("DYNO", "your own machine"),
        "release": os.environ.get("HOSTD_RELEASE", "no release"),
        "now": timezone.now(),
    }
    return render(request, "pages/home.html", where)
