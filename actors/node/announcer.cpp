#include "actors/node/announcer.hpp"

#include "actors/net/dial.hpp"
#include "actors/net/handshake.hpp"
#include "actors/net/handshake_hints.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"

namespace larql::actors {

result<announce_answer> announce_to(const announce_options& options, const schema::announce& self) {
  const auto until = std::chrono::steady_clock::now() + options.timeout;
  const auto& to = options.laptop;
  LARQL_TRY(auto connection, dial_laptop(to, options.tls, until));
  auto accepted = announce_to_laptop(connection, self, until);
  if (!accepted)
    return with_hint(std::move(accepted).error().in(host_port(to)), options.tls);
  return announce_answer{*accepted, std::move(connection)};
}

announcer::announcer(announce_options options, node_server& node)
    : options_(std::move(options)), node_(node), thread_([this] { run(); }) {}

announcer::~announcer() {
  {
    const auto lock = std::scoped_lock{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void announcer::use_tls(tls_context_ptr tls) {
  const auto lock = std::scoped_lock{mutex_};
  options_.tls = std::move(tls);
}

bool announcer::stopped_within(std::chrono::microseconds time) {
  auto lock = std::unique_lock{mutex_};
  return changed_.wait_for(lock, time, [this] { return stop_; });
}

void announcer::run() {
  const auto uniform = jitter_source();
  auto announce = schema::announce{};
  announce.node = node_.description();
  auto last_error = std::string{};
  for (auto attempt = 0u; !stopped_within(std::chrono::microseconds{0});) {
    try {
      announce.node.state = node_.counters().state; // as it is now, not as it began
      announce.node.owned_digest = node_.counters().owned_digest();
      auto options = announce_options{};
      {
        const auto lock = std::scoped_lock{mutex_};
        options = options_;
      }
      auto answer = announce_to(options, announce);
      if (answer && answer->accepted.verdict == schema::verdict::serve) {
        log_info("join", "{}: serving it", host_port(options_.laptop));
        attempt = 0;
        last_error.clear();
        serve(std::move(answer->connection)); // until the connection ends
      } else if (!answer && answer.error().text != last_error) {
        last_error = answer.error().text;
        log_warning("join", "{}", last_error);
      }
    } catch (const std::exception& e) { // memory: the next attempt may have it
      log_warning("join", "{}", e.what());
    }
    if (stopped_within(backoff_delay(options_.retry, attempt++, uniform())))
      return;
  }
}

// Hands the connection to the node and waits until it has ended.
void announcer::serve(secure_stream connection) {
  struct ending {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
  };
  const auto end = std::make_shared<ending>();
  auto client = std::make_shared<accepted_client>();
  client->peer = connection.peer();
  client->identity = connection.identity();
  client->hello.name = "coordinator";
  client->hello.model = node_.description().model;
  client->connection = make_pending_connection(std::move(connection), node_.connections());
  client->on_end = [end] {
    {
      const auto lock = std::scoped_lock{end->mutex};
      end->ended = true;
    }
    end->changed.notify_all();
  };
  node_.adopt(std::move(client));
  constexpr auto poll_interval = std::chrono::milliseconds{100};
  for (auto over = false; !over;) {
    if (stopped_within(std::chrono::microseconds{0}))
      return;
    auto lock = std::unique_lock{end->mutex};
    over = end->changed.wait_for(lock, poll_interval, [&] { return end->ended; });
  }
  log_warning("join", "{}: the connection has ended", host_port(options_.laptop));
}

} // namespace larql::actors
