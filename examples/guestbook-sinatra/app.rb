require "json"
require "sinatra/base"

# A guestbook that remembers what was written as long as its dyno runs.
class Guestbook < Sinatra::Base
  Entry = Struct.new(:name, :text, :time)

  set :entries, []
  set :lock, Mutex.new
  # The router passes on only the hosts of this app.
  set :host_authorization, { permitted_hosts: [] }
  enable :logging

  get "/" do
    erb :index, locals: { entries: settings.entries.reverse, greeting: ENV.fetch("GREETING", "Welcome!") }
  end

  post "/" do
    name, text = params.values_at("name", "text").map { |value| value.to_s.strip[0, 200] }
    halt 400, "A name and a text are needed.\n" if name.empty? || text.empty?
    settings.lock.synchronize { settings.entries << Entry.new(name, text, Time.now) }
    puts "#{name} signed the guestbook"
    redirect "/", 303
  end

  get "/about.json" do
    content_type :json
    { ruby: RUBY_VERSION, sinatra: Sinatra::VERSION, dyno: ENV.fetch("DYNO", "none") }.to_json
  end
end

$stdout.sync = true
