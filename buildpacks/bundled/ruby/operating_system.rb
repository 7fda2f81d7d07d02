# Debian's Ruby is made for /usr; here it and gems of Debian packages lie in the slug. RubyGems loads this file
# when it starts, in place of Debian's own: the paths that are compiled in are moved into the slug, so that nothing
# of the machine's is found, and keep their mark, by which RubyGems puts gems before them.

trees = %w[/app/.heroku/ruby /app/.apt]
compiled_in = $LOAD_PATH.select { |path| path.start_with?("/usr/") }
moved = trees.product(compiled_in).map(&:join).select { |path| File.directory?(path) }
moved.each { |path| path.instance_variable_set(:@gem_prelude_index, path) }
$LOAD_PATH.replace($LOAD_PATH - compiled_in - moved + moved)

class << Gem
  OPERATING_SYSTEM_DEFAULTS = { ssl_ca_cert: "/etc/ssl/certs/ca-certificates.crt" }.freeze

  alias upstream_default_dir default_dir

  def default_dir
    "/app/.heroku/ruby/var/lib/gems/#{RbConfig::CONFIG["ruby_version"]}"
  end

  def default_bindir
    "/app/.heroku/ruby/usr/local/bin"
  end

  def default_specifications_dir
    File.join(upstream_default_dir, "specifications", "default")
  end
end

Gem.define_singleton_method(:default_path) do
  machine, version = RbConfig::CONFIG.values_at("arch", "ruby_version")
  places = %W[
    lib/ruby/gems/#{version} lib/#{machine}/ruby/gems/#{version} share/rubygems-integration/#{version}
    share/rubygems-integration/all lib/#{machine}/rubygems-integration/#{version}
  ]
  [default_dir, *trees.product(places).map { |tree, place| "#{tree}/usr/#{place}" }]
end
