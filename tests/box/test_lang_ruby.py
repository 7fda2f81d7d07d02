"""The Ruby buildpack: the example on Debian's gems, an app with gems in vendor/cache, and versions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.formation import scale
from tests.support.gems import gem
from tests.support.platform import Finished, Platform
from tests.support.runtime_files import foreign_files, mapped_files

EXAMPLE = Path(__file__).parents[2] / "examples/guestbook-sinatra"
APP = "sinatra-example"

GREET = gem(
    "greet",
    {
        "lib/greet.rb": 'require "greet/native"\nmodule Greet; WORLD = Greet.greet("world"); end\n',
        "ext/greet/extconf.rb": 'require "mkmf"\ncreate_makefile("greet/native")\n',
        "ext/greet/native.c": (
            "#include <ruby.h>\n"
            'static VALUE greet(VALUE self, VALUE name) { return rb_str_plus(rb_str_new_cstr("Hello, "), name); }\n'
            'void Init_native(void) { rb_define_module_function(rb_define_module("Greet"), "greet", greet, 1); }\n'
        ),
    },
)
VENDORED = {
    "Gemfile": 'source "https://rubygems.org"\nruby "~> 3.0"\ngem "greet"\n',
    "Gemfile.lock": (
        "GEM\n  remote: https://rubygems.org/\n  specs:\n    greet (1.0.0)\n\n"
        "PLATFORMS\n  ruby\n  x86_64-linux\n\nDEPENDENCIES\n  greet\n\nBUNDLED WITH\n   2.5.10\n"
    ),
    "vendor/cache/greet-1.0.0.gem": GREET,
    "Rakefile": (
        'desc "Compile"\nnamespace(:assets) { desc "All"; task(:precompile) '
        '{ mkdir_p "public/assets"; File.write("public/assets/made", ENV["RAILS_ENV"] + ENV["FLAVOUR"]) } }\n'
    ),
    "web.rb": (
        'require "greet"\nrequire "socket"\n'
        'body = Greet::WORLD + File.read("public/assets/made")\n'
        'server = TCPServer.new(ENV.fetch("PORT"))\n'
        "while (client = server.accept)\n"
        "  nil until client.gets.to_s.strip.empty?\n"
        '  client.write("HTTP/1.1 200 OK\\r\\nContent-Length: #{body.size}\\r\\n\\r\\n#{body}")\n'
        "  client.close\nend\n"
    ),
    "Procfile": "web: bundle exec ruby web.rb\n",
}


@pytest.fixture(scope="module")
def guestbook(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Finished]]:
    directory = tmp_path_factory.mktemp("guestbook") / "app"
    platform.hostctl("apps:create", APP)
    try:
        yield directory, platform.push(platform.commit(EXAMPLE, directory), APP)
    finally:
        platform.hostctl("apps:destroy", "-a", APP, "--confirm", APP)


def test_a_rack_app_runs_on_debian_s_gems(platform: Platform, guestbook: tuple[Path, Finished]) -> None:
    for text in ("-----> Ruby app detected", "-----> Using Ruby 3.", "All gems come with Debian packages"):
        assert text in guestbook[1].stderr
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = platform.http_get(APP, method="POST", headers=form, body=b"name=Ada&text=I+was+here")
    assert signed.status == 303
    assert "<b>Ada</b>: I was here" in platform.http_get(APP).text


def test_ruby_comes_with_the_slug(platform: Platform, guestbook: tuple[Path, Finished]) -> None:
    scale(platform, APP, web=2)
    mapped = [file for files in mapped_files(platform, APP).values() for file in files]
    assert any(file.startswith("/app/.heroku/ruby/usr/lib/x86_64-linux-gnu/libruby-") for file in mapped)
    assert any(file.endswith("/puma_http11.so") for file in mapped)
    assert foreign_files(platform, APP) == set()


def test_a_second_push_reuses_ruby_and_can_be_rolled_back(
    platform: Platform, guestbook: tuple[Path, Finished], wait_until: Callable[..., object]
) -> None:
    directory, _ = guestbook
    changed = (EXAMPLE / "app.rb").read_text().replace("Welcome!", "Welcome back!")
    pushed = platform.push(platform.commit({"app.rb": changed}, directory), APP)
    assert "Reusing" in pushed.stderr
    assert "Fetching" not in pushed.stderr
    assert "Welcome back!" in platform.http_get(APP).text
    platform.hostctl("rollback", "-a", APP)
    wait_until(lambda: "Welcome!" in platform.http_get(APP).text, 30)


def test_irb_and_bundler_are_there_for_one_off_dynos(platform: Platform, guestbook: tuple[Path, Finished]) -> None:
    script = "bundle exec ruby -e 'puts [Gem.ruby, $LOAD_PATH.grep(%r{^/usr/})].to_json' -rjson"
    told = platform.hostctl("run", "-a", APP, script).stdout
    ruby, of_the_machine = json.loads(told.splitlines()[-1])
    assert ruby.startswith("/app/.heroku/ruby/usr/bin/ruby")
    assert of_the_machine == []


def test_gems_in_vendor_cache_need_no_network_and_assets_are_compiled(
    platform: Platform, app: str, repository: Callable[..., Path]
) -> None:
    platform.hostctl("config:set", "-a", app, "FLAVOUR=mint")
    directory = repository(VENDORED)
    pushed = platform.push(directory, app)
    assert "Installing greet 1.0.0 with native extensions" in pushed.stderr
    assert "Running: rake assets:precompile" in pushed.stderr
    assert platform.http_get(app).text == "Hello, worldproductionmint"
    again = platform.push(platform.commit({"note": "2"}, directory), app)
    assert "Installing greet" not in again.stderr
    assert platform.http_get(app).text == "Hello, worldproductionmint"


def test_a_ruby_that_cannot_be_had_is_refused_with_the_list(
    platform: Platform, app: str, repository: Callable[..., Path]
) -> None:
    files = {"Gemfile": 'source "https://rubygems.org"\nruby "2.7.8"\n', "config.ru": ""}
    refused = platform.push(repository(files), app, check=False)
    assert refused.returncode != 0
    assert "Gemfile asks for Ruby 2.7.8, which cannot be had. Of this stack's Debian can be had: 3." in refused.stderr
