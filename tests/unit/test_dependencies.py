import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text()


@pytest.mark.parametrize("requirement", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
def test_every_python_package_is_pinned_and_explained(requirement):
    name, version = re.fullmatch(r"([a-z0-9-]+)==([0-9.]+)", requirement).groups()
    assert version
    assert re.search(rf"^\|[^|]*`{name}`", PAGE, re.MULTILINE)


def test_every_debian_package_is_explained():
    script = (ROOT / "install.sh").read_text()
    (packages,) = re.findall(r"readonly SERVER_PACKAGES=\((.*?)\)", script, re.DOTALL)
    missing = [name for name in packages.split() if not re.search(rf"^\|[^|]*`{re.escape(name)}`", PAGE, re.MULTILINE)]
    assert missing == []
