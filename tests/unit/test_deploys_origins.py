"""What people may write to say where a source or a buildpack comes from."""

import pytest

from buildpacks import contract
from buildpacks.source import GitSource, UrlSource
from hostd.deploys import origins
from hostd.errors import Invalid


def test_credentials_go_to_the_build_and_nowhere_else():
    source, label = origins.repository("https://kate:s3cret@example.com/app.git", "v1")
    assert source == GitSource("https://kate:s3cret@example.com/app.git", "v1")
    assert "s3cret" not in label + repr(source)
    assert label == "git:sync https://***@example.com/app.git v1"
    source, label = origins.download("https://example.com/app.tgz?token=s3cret")
    assert source == UrlSource("https://example.com/app.tgz?token=s3cret")
    assert "s3cret" not in label + repr(source)
    assert label.startswith("tarball https://example.com/app.tgz")


@pytest.mark.parametrize(
    "url",
    [
        *("", "app", "/srv/app.git", "file:///srv/app.git", "ext::sh -c id", "--upload-pack=id", "https://"),
        *("git@example.com:kate/app.git", "ssh://git@example.com/app.git", "https://a b/c", "https://x/" + "y" * 1000),
    ],
)
def test_addresses_that_a_build_cannot_use_are_refused_at_the_door(url):
    with pytest.raises(Invalid):
        origins.repository(url)
    with pytest.raises(Invalid):
        origins.download(url)


def test_a_repository_is_no_download():
    with pytest.raises(Invalid, match="cannot be downloaded"):
        origins.download("git://example.com/app.git")


@pytest.mark.parametrize("ref", ["--upload-pack=id", "a b", "a\nb", "x" * 1001])
def test_what_cannot_be_a_ref_is_refused(ref):
    with pytest.raises(Invalid, match="cannot be a branch"):
        origins.repository("https://example.com/app.git", ref)


def test_buildpacks_are_written_as_heroku_writes_them():
    assert origins.buildpacks(["python", "urn:buildpack:heroku/procfile", " https://example.com/pack.git#v1 "]) == [
        "heroku/python",
        "heroku/procfile",
        "https://example.com/pack.git#v1",
    ]
    every = [f"heroku/{folder.name}" for folder in contract.FOLDER.iterdir() if folder.is_dir()]
    assert origins.buildpacks(every) == every
    assert len(every) == len(contract.NAMES)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["heroku/pyton"], 'There is no buildpack "heroku/pyton"'),
        (["python", "heroku/python"], "heroku/python is named twice"),
        (["git@example.com:kate/pack.git"], "needs an ssh key"),
        (["https://example.com/pack.git#-x"], "is not a branch"),
        (["https://example.com/" + "y" * 1000], "too long"),
        ([f"https://example.com/{number}.git" for number in range(21)], "can have 20 buildpacks, not 21"),
    ],
)
def test_wrong_buildpacks_are_refused_at_the_door(texts, reason):
    with pytest.raises(Invalid) as raised:
        origins.buildpacks(texts)
    assert reason in raised.value.message


def test_a_buildpack_is_shown_without_its_credentials():
    assert origins.shown("https://kate:s3cret@example.com/pack.git#v1") == "https://***@example.com/pack.git#v1"
