"""The app that is deployed."""

PYTHON = {
    "Procfile": "web: python3 server.py\n",
    "requirements.txt": "",
    "server.py": (
        "import http.server, os\n"
        "http.server.HTTPServer(('', int(os.environ['PORT'])), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    ),
}
