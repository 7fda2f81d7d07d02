"""Gems made by the tests, as they lie in vendor/cache."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

_METADATA = """\
--- !ruby/object:Gem::Specification
name: {name}
version: !ruby/object:Gem::Version
  version: 1.0.0
platform: ruby
authors:
- Tester
bindir: bin
dependencies: []
description: Made by a test
email:
executables: []
extensions:{extensions}
files:
{files}
require_paths:
- lib
required_ruby_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements:
  - - ">="
    - !ruby/object:Gem::Version
      version: '0'
rubygems_version: 3.3.15
specification_version: 4
summary: Made by a test
licenses:
- MIT
"""


def gem(name: str, files: Mapping[str, str]) -> bytes:
    """Version 1.0.0 of a gem; files named `extconf.rb` build extensions."""
    extensions = [path for path in files if path.endswith("extconf.rb")]
    metadata = _METADATA.format(
        name=name,
        extensions="".join(f"\n- {path}" for path in extensions) or " []",
        files="\n".join(f"- {path}" for path in files),
    )
    data = gzip.compress(_tar({path: text.encode() for path, text in files.items()}))
    return _tar({"metadata.gz": gzip.compress(metadata.encode()), "data.tar.gz": data})


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()
