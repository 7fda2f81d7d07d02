#!/bin/bash
# Answers one request on standard input: / with a QR code of what ?text= says.

set -euo pipefail
export LC_ALL=C # lengths in bytes

answer() { # STATUS TYPE, body on standard input
  local body
  body=$(cat)
  printf 'HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "$1" "$2" "${#body}" "$body"
}

decode() { # TEXT as it stands in an address
  local text=${1//+/ }
  text=${text//\\/\\\\}
  printf '%b' "${text//%/\\x}"
}

read -r method target _
while IFS= read -r line && [[ $line != $'\r' ]]; do :; done

echo "$method $target" >&2
case $target in
  '/?text='?*) qrencode --type=SVG --output=- -- "$(decode "${target#*=}")" | answer "200 OK" image/svg+xml ;;
  /) echo "Ask for /?text=hello" | answer "200 OK" text/plain ;;
  *) echo "There is nothing here." | answer "404 Not Found" text/plain ;;
esac
