"""The Java and Gradle buildpacks with their examples: real Maven and real Gradle, with what Debian packages of both.

Maven Central is not reached here: Maven's plugins come from Debian's packages, by the apt buildpack, and their
repository stands in a settings.xml. All else about the example is what a user pushes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.apps import Deployed, module_app

EXAMPLES = Path(__file__).parents[2] / "examples"

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


hello = module_app("hello-java-example", EXAMPLES / "hello-java", from_debian())
dice = module_app("dice-example", EXAMPLES / "hello-gradle")


def test_maven_builds_and_the_jar_runs(hello: Deployed) -> None:
    pushed = hello.pushed
    assert "-----> Java app detected" in pushed
    assert "-----> Using OpenJDK 17 (system.properties asks for 17)" in pushed
    assert re.search(r"Building with Maven 3\.\S+: -DskipTests clean install", pushed)
    assert "BUILD SUCCESS" in pushed
    assert "Default types for buildpack -> web" in pushed
    page = hello.get().text
    assert "<h1>Hello from Java!</h1>" in page
    assert re.search(r"Java <code>17\.[\d.]+</code> with a heap of up to <code>\d+ MB</code>", page)


def test_the_heap_follows_the_size_of_the_dyno(hello: Deployed) -> None:
    assert heap(hello) in range(290, 301)
    hello.hostctl("ps:scale", "web=1:standard-2x")
    hello.hostctl("ps:restart")
    hello.answers(lambda: heap(hello) in range(640, 680))
    hello.hostctl("ps:scale", "web=1:standard-1x")


def test_the_runtime_comes_with_the_slug(hello: Deployed) -> None:
    hello.scale(web=2)
    java = hello.own_files()["java"]
    assert any(file.startswith("/app/.heroku/jre/") and file.endswith("/libjvm.so") for file in java)
    listed = hello.hostctl("run", "java --version; find / -name javac -path '/app/*'; keytool -list -cacerts")
    assert "17." in listed
    assert "javac" not in listed
    assert re.search(r"contains \d{2,} entries", listed)


def test_a_second_push_reuses_all_and_can_be_rolled_back(hello: Deployed) -> None:
    pushed = hello.goes_and_comes_back("src/main/resources/page.html", "Hello from Java", "Hello again")
    assert pushed.count("Debian packages of the last build") == 3
    assert "Fetching" not in pushed


def test_other_versions_are_refused_with_the_list(hello: Deployed) -> None:
    said = hello.refuses({"system.properties": "java.runtime.version=6\n"})
    assert "system.properties asks for Java 6, which the Debian packages of this stack do not have." in said
    assert re.search(r"Available: [\d ]*\b17\b", said)


def test_gradle_stages_and_its_start_script_runs(dice: Deployed) -> None:
    assert "-----> Gradle app detected" in dice.pushed
    assert "Building with Debian's Gradle: stage" in dice.pushed
    assert "BUILD SUCCESSFUL" in dice.pushed
    thrown = json.loads(dice.get("/3").text)
    assert len(thrown["dice"]) == 3
    assert thrown["thrown_by"] == "web.1"
    dice.scale(web=2)
    dice.own_files()


def test_a_second_push_with_gradle_can_be_rolled_back(dice: Deployed) -> None:
    source = "src/main/java/org/example/dice/Dice.java"
    pushed = dice.goes_and_comes_back(source, "Ask for 1 to", "Please ask for 1 to", "/none")
    assert "Fetching" not in pushed


def heap(hello: Deployed) -> int:
    """Megabytes, as the page says."""
    found = re.search(r"up to <code>(\d+) MB", hello.get().text)
    assert found is not None
    return int(found[1])
