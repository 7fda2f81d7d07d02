"""The Java and Gradle buildpacks with their examples: real Maven and real Gradle, with what Debian packages of both.

Maven Central is not reached here: Maven's plugins come from Debian's packages, by the apt buildpack, and their
repository stands in a settings.xml. All else about the example is what a user pushes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLES = Path(__file__).parents[2] / "examples"
HELLO, DICE = "hello-java-example", "dice-example"

APTFILE = """libmaven-clean-plugin-java libmaven-compiler-plugin-java libmaven-resources-plugin-java
libmaven-jar-plugin-java libmaven-install-plugin-java libsurefire-java libmaven-parent-java libplexus-archiver-java
"""
REPOSITORY = """<id>central</id><url>file:///app/.apt/usr/share/maven-repo</url>
<releases><checksumPolicy>ignore</checksumPolicy></releases>"""
SETTINGS = f"""<settings>
  <profiles><profile>
    <id>debian</id>
    <activation><activeByDefault>true</activeByDefault></activation>
    <repositories><repository>{REPOSITORY}</repository></repositories>
    <pluginRepositories><pluginRepository>{REPOSITORY}</pluginRepository></pluginRepositories>
  </profile></profiles>
</settings>
"""
# Maven gives every plugin an old plexus-utils that does not name one itself, and Debian has only the new one.
CLEAN = "<version>${clean.version}</version>"
PLEXUS = "<groupId>org.codehaus.plexus</groupId><artifactId>plexus-utils</artifactId><version>3.4.2</version>"


def from_debian() -> dict[str, str | bytes]:
    """What makes the example build from Debian's packages."""
    pom = (EXAMPLES / "hello-java/pom.xml").read_text()
    clean = f"{CLEAN}<dependencies><dependency>{PLEXUS}</dependency></dependencies>"
    return {
        ".buildpacks": "heroku/apt\nheroku/java\n",
        "Aptfile": APTFILE,
        "settings.xml": SETTINGS,
        "pom.xml": pom.replace(CLEAN, clean),
    }


@pytest.fixture(scope="module")
def hello(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("hello-java") / "app"
    platform.hostctl("apps:create", HELLO)
    try:
        platform.commit(EXAMPLES / "hello-java", directory)
        yield directory, platform.push(platform.commit(from_debian(), directory), HELLO)
    finally:
        platform.hostctl("apps:destroy", "-a", HELLO, "--confirm", HELLO)


@pytest.fixture(scope="module")
def dice(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    directory = tmp_path_factory.mktemp("dice") / "app"
    platform.hostctl("apps:create", DICE)
    try:
        yield platform.push(platform.commit(EXAMPLES / "hello-gradle", directory), DICE)
    finally:
        platform.hostctl("apps:destroy", "-a", DICE, "--confirm", DICE)


def test_maven_builds_and_the_jar_runs(platform: Platform, hello: tuple[Path, Finished]) -> None:
    pushed = hello[1].stderr
    assert "-----> Java app detected" in pushed
    assert "-----> Using OpenJDK 17 (system.properties asks for 17)" in pushed
    assert re.search(r"Building with Maven 3\.\S+: -DskipTests clean install", pushed)
    assert "BUILD SUCCESS" in pushed
    assert "Default types for buildpack -> web" in pushed
    page = platform.http_get(HELLO).text
    assert "<h1>Hello from Java!</h1>" in page
    assert re.search(r"Java <code>17\.[\d.]+</code> with a heap of up to <code>\d+ MB</code>", page)


def test_the_heap_follows_the_size_of_the_dyno(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    assert heap(platform) in range(290, 301)
    platform.hostctl("ps:scale", "-a", HELLO, "web=1:standard-2x")
    platform.hostctl("ps:restart", "-a", HELLO)
    wait_until(lambda: heap(platform) in range(640, 680), 60)
    platform.hostctl("ps:scale", "-a", HELLO, "web=1:standard-1x")


def test_the_runtime_comes_with_the_slug(platform: Platform, hello: tuple[Path, Finished]) -> None:
    scale(platform, HELLO, web=2)
    java = mapped_files(platform, HELLO)["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)
    assert foreign_files(platform, HELLO) == set()
    listed = platform.hostctl(
        "run", "-a", HELLO, "java --version; find / -name javac -path '/app/*'; keytool -list -cacerts"
    )
    assert "17." in listed.stdout
    assert "javac" not in listed.stdout
    assert re.search(r"contains \d{2,} entries", listed.stdout)


def test_a_second_push_reuses_all_and_can_be_rolled_back(
    platform: Platform, hello: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    scale(platform, HELLO, web=1)
    file = "src/main/resources/page.html"
    page = (EXAMPLES / "hello-java" / file).read_text().replace("Hello from Java", "Hello again")
    pushed = platform.push(platform.commit({file: page}, hello[0]), HELLO).stderr
    assert pushed.count("Debian packages of the last build") == 3
    assert "Fetching" not in pushed
    assert "Hello again" in platform.http_get(HELLO).text
    platform.hostctl("rollback", "-a", HELLO)
    wait_until(lambda: "Hello from Java" in platform.http_get(HELLO).text, 60)


def test_other_versions_are_refused_with_the_list(platform: Platform, hello: tuple[Path, Finished]) -> None:
    files = {"system.properties": "java.runtime.version=6\n"}
    refused = platform.push(platform.commit(files, hello[0]), HELLO, check=False)
    assert refused.returncode != 0
    assert "system.properties asks for Java 6, which the Debian packages of this stack do not have." in refused.stderr
    assert re.search(r"Available: [\d ]*\b17\b", refused.stderr)
    assert platform.http_get(HELLO).status == 200


def test_gradle_stages_and_its_start_script_runs(platform: Platform, dice: Finished) -> None:
    assert "-----> Gradle app detected" in dice.stderr
    assert "Building with Debian's Gradle: stage" in dice.stderr
    assert "BUILD SUCCESSFUL" in dice.stderr
    thrown = json.loads(platform.http_get(DICE, "/3").text)
    assert len(thrown["dice"]) == 3
    assert thrown["thrown_by"] == "web.1"
    assert foreign_files(platform, DICE) == set()


def heap(platform: Platform) -> int:
    """Megabytes, as the page says."""
    found = re.search(r"up to <code>(\d+) MB", platform.http_get(HELLO).text)
    assert found is not None
    return int(found[1])
