# Sidekiq against a server: ruby sidekiq_program.rb PORT, where `require "sidekiq"` works. Prints "ok" when all is well.
# With a second argument it is only the place of the job classes (sidekiq -r).
require "sidekiq"
require "sidekiq/api"

PORT = Integer(ENV["SIDEKIQ_PROGRAM_PORT"] || ARGV[0])
Redis.sadd_returns_boolean = false if Redis.respond_to?(:sadd_returns_boolean=)
URL = "redis://127.0.0.1:#{PORT}/0"
Sidekiq.configure_server { |config| config.redis = { url: URL }; config.options[:poll_interval_average] = 0.2 }
Sidekiq.configure_client { |config| config.redis = { url: URL } }

class Count
  include Sidekiq::Worker
  def perform(name, by = 1)
    Sidekiq.redis { |redis| redis.incrby(name, by) }
  end
end

class Fails
  include Sidekiq::Worker
  sidekiq_options retry: 2
  sidekiq_retry_in { 1 }
  def perform(name, times)
    count = Sidekiq.redis { |redis| redis.incr(name) }
    raise "attempt #{count}" if count <= times
  end
end

class Hopeless
  include Sidekiq::Worker
  sidekiq_options retry: 0
  def perform
    raise "never"
  end
end

def eventually(what, seconds = 60)
  limit = Time.now + seconds
  until yield
    raise "#{what} did not come true" if Time.now > limit
    sleep 0.05
  end
end

def value(name)
  Sidekiq.redis { |redis| redis.get(name) }.to_i
end

def main
  Sidekiq.redis(&:flushall)
  worker = spawn({ "SIDEKIQ_PROGRAM_PORT" => PORT.to_s }, "sidekiq", "-r", File.expand_path(__FILE__), "-c", "10",
                 "-q", "critical", "-q", "default", "-t", "5", out: File::NULL, err: File::NULL)
  begin
    1000.times { Count.perform_async("one") }
    Sidekiq::Client.push_bulk("class" => Count, "args" => Array.new(2000) { ["bulk"] })
    eventually("all ran") { value("one") == 1000 && value("bulk") == 2000 }
    Count.perform_in(1, "late")
    Count.perform_at(Time.now + 1, "at", 5)
    raise "not scheduled" unless Sidekiq::ScheduledSet.new.size == 2
    eventually("the scheduled ran") { value("late") == 1 && value("at") == 5 }
    Fails.perform_async("twice", 2)
    eventually("retried") { value("twice") == 3 }
    Fails.perform_async("often", 9)
    Hopeless.perform_async
    eventually("buried") { Sidekiq::DeadSet.new.size >= 1 && value("often") == 3 }
    Count.set(queue: "critical").perform_async("critical")
    eventually("the other queue") { value("critical") == 1 }
    eventually("statistics") { Sidekiq::Stats.new.processed >= 3010 && Sidekiq::Stats.new.failed >= 4 }
    raise "who works" unless Sidekiq::ProcessSet.new.size == 1
    eventually("empty") { Sidekiq::Queue.new.size.zero? }
    Sidekiq::ProcessSet.new.each(&:stop!)
    Process.wait(worker)
    worker = nil
  ensure
    if worker
      Process.kill("KILL", worker)
      Process.wait(worker)
    end
  end
  puts "ok"
end

main if $PROGRAM_NAME == __FILE__
