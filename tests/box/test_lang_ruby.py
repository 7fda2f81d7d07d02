"""The Ruby buildpack: the example on Debian's gems, an app with gems in vendor/cache, and versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.support.apps import Deployed, module_app
from tests.support.gems import gem
from tests.support.platform import Platform

EXAMPLE = Path(__file__).parents[2] / "examples/guestbook-sinatra"

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


guestbook = module_app("sinatra-example", EXAMPLE)


def test_a_rack_app_runs_on_debian_s_gems(guestbook: Deployed) -> None:
    for text in ("-----> Ruby app detected", "-----> Using Ruby 3.", "All gems come with Debian packages"):
        assert text in guestbook.pushed
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = guestbook.get(method="POST", headers=form, body=b"name=Ada&text=I+was+here")
    assert signed.status == 303
    assert "<b>Ada</b>: I was here" in guestbook.get().text


def test_ruby_comes_with_the_slug(guestbook: Deployed) -> None:
    guestbook.scale(web=2)
    mapped = [file for files in guestbook.own_files().values() for file in files]
    assert any(file.startswith("/app/.heroku/ruby/usr/lib/x86_64-linux-gnu/libruby-") for file in mapped)
    assert any(file.endswith("/puma_http11.so") for file in mapped)


def test_a_second_push_reuses_ruby_and_can_be_rolled_back(guestbook: Deployed) -> None:
    pushed = guestbook.goes_and_comes_back("app.rb", "Welcome!", "Welcome back!")
    assert "Reusing" in pushed
    assert "Fetching" not in pushed


def test_irb_and_bundler_are_there_for_one_off_dynos(guestbook: Deployed) -> None:
    script = "bundle exec ruby -e 'puts [Gem.ruby, $LOAD_PATH.grep(%r{^/usr/})].to_json' -rjson"
    told = guestbook.hostctl("run", script)
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
    tasks = f"{VENDORED['Rakefile']}require 'of/developers/alone'\n"
    unread = platform.push(platform.commit({"Rakefile": tasks, "public/assets/made": "!"}, directory), app)
    assert "cannot load such file -- of/developers/alone" in unread.stderr
    assert "could not be listed with `rake -P`: no assets are compiled." in unread.stderr
    assert platform.http_get(app).text == "Hello, world!"


def test_a_ruby_that_cannot_be_had_is_refused_with_the_list(guestbook: Deployed, tmp_path: Path) -> None:
    said = guestbook.refuses({"Gemfile": 'source "https://rubygems.org"\nruby "2.7.8"\n', "config.ru": ""}, tmp_path)
    assert "Gemfile asks for Ruby 2.7.8, which cannot be had. Of this stack's Debian can be had: 3." in said
