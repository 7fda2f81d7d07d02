"""What copies a file out of a dyno: a command that runs inside it and writes to standard output."""

from __future__ import annotations

_SCRIPT = """
cd /app || exit
refuse() { printf '%s: %s\\n' "$file" "$1" >&2; exit 1; }
file=$1
case $file in -*) file=./$file ;; esac
if ! [ -e "$file" ]; then
  refuse 'there is no such file'
elif [ "$2" = archive ]; then
  echo -
  exec tar -cf - -C "$(dirname "$file")" "./$(basename "$file")"
elif [ -d "$file" ]; then
  refuse 'it is a directory: --tar copies it, as a tar archive'
elif ! [ -f "$file" ]; then
  refuse 'it is neither a file nor a directory'
elif ! [ -r "$file" ]; then
  refuse 'the app itself may not read it'
fi
size=$(stat -Lc %s "$file") || exit
echo "$size"
# A log grows meanwhile; files of /proc have no size and are not empty.
[ "$size" = 0 ] && exec cat "$file"
exec head -c "$size" "$file"
"""


def copy_command(file: str, *, archive: bool) -> list[str]:
    """The argument list that writes a line with the number of bytes (`-`: not known) and then the file, or an archive.

    A relative path is below /app. It fails with one line on standard error. The app's own scripts and variables have
    no part in it: they may write what they like.
    """
    return ["/bin/sh", "-c", _SCRIPT, "copy", file, "archive" if archive else "file"]
