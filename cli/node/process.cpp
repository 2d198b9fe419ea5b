#include "cli/node/process.hpp"
#include "actors/net/model_match.hpp"
#include "cli/support/command.hpp"

#include "actors/core/system.hpp"
#include "actors/node/announcer.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/node_server.hpp"
#include "cli/node/http.hpp"
#include "cli/node/model_source.hpp"
#include "cli/node/service_manager.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/progress.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/presence.hpp"

#include <atomic>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <random>
#include <stop_token>
#include <thread>
#include <unistd.h>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

// How long a drain may take before the process ends anyway.
constexpr auto drain_timeout = 30s;
// How long the node itself may take to end, which waits for peers to read their last answers.
constexpr auto end_seconds = 10u;
// How often a download looks for signals.
constexpr auto signal_poll = 20ms;
// Tells the main thread that an operator wants a new start.
constexpr auto restart_signal = SIGUSR1;

std::uint64_t new_incarnation() {
  auto device = std::random_device{};
  return std::uint64_t{device()} << 32 | device();
}

// The signals are taken by sigwait in the main thread, so that no handler is needed.
sigset_t block_signals() {
  auto set = sigset_t{};
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, restart_signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

// 0 if none came within the time.
int signal_within(const sigset_t& signals, std::chrono::milliseconds time) {
  const auto limit = timespec{time.count() / 1000, time.count() % 1000 * 1'000'000};
  const auto got = sigtimedwait(&signals, nullptr, &limit);
  return got > 0 ? got : 0;
}

// What a node is called that was not given a name. An address that every machine has would make two
// nodes one.
std::string default_name(const node_settings& s, const actors::endpoint& at) {
  const auto is_everywhere = s.bind == "0.0.0.0" || s.bind == "::";
  char host[HOST_NAME_MAX + 1] = {};
  if ((!s.join && !is_everywhere) || ::gethostname(host, sizeof host - 1) != 0 || host[0] == 0)
    return to_string(at);
  return fmt::format("{}:{}", std::string_view{host}.substr(0, schema::max_name_bytes - 6),
                     at.port);
}

// A node on any free port keeps the one it has when it starts anew: laptops know it.
constexpr auto same_port_variable = "LARQL_SAME_PORT";

std::uint16_t port_of_predecessor() {
  const auto text = process_environment(same_port_variable).value_or("0");
  return static_cast<std::uint16_t>(std::strtoul(text.c_str(), nullptr, 10));
}

const char* name_of(int signal) {
  return signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "an operator";
}

// Bytes of one expert in all layers, as the heads of the files have it; no expert need be here.
result<std::uint64_t> bytes_per_expert(const std::filesystem::path& dir,
                                       const vindex::model_config& model) {
  auto sum = std::uint64_t{0};
  for (auto l = 0u; l < model.layers; ++l) {
    const auto path = dir / vindex::layer_file_name(l);
    LARQL_TRY(const auto exists, path_exists(path));
    if (!exists) // of a slice by layers
      continue;
    LARQL_TRY(const auto in, file::open(path));
    LARQL_TRY(const auto header, vindex::read_layer_header(in, model));
    sum += header.expert_bytes();
  }
  if (sum == 0)
    return fail(errc::mismatch, "{}: has no layer files, so nobody knows how large an expert is",
                dir.string());
  return sum;
}

// Everybody who watches the start: HTTP, and the service manager, which gives up on a start that
// says nothing for longer than it was told. Downloads call from several threads.
class watchers {
public:
  node_health health;
  const service_manager manager{process_environment("NOTIFY_SOCKET").value_or("")};

  void loading(std::string text) {
    const auto lock = std::scoped_lock{mutex_};
    text_ = std::move(text);
    health.loading(text_);
    tell();
  }
  /// Nothing new, but it goes on; cheap enough for inner loops.
  void still_loading() {
    const auto lock = std::scoped_lock{mutex_};
    if (clock::now() - told_ >= longest_pause / 10)
      tell();
  }

private:
  using clock = std::chrono::steady_clock;
  static constexpr auto longest_pause = 120s; // longer than any pause of a loading node

  void tell() {
    told_ = clock::now();
    manager.starting(text_, longest_pause);
  }

  std::mutex mutex_;
  std::string text_;
  clock::time_point told_{};
};

// Asks the coordinator until it says what to load. Nothing if a signal came first.
result<std::optional<experts::index_range>>
ask_what_to_load(const node_settings& s, const vindex::model_config& model,
                 const vindex::weights_names& weights, const actors::announce_options& join,
                 const sigset_t& signals, watchers& watch) {
  auto self = schema::announce{};
  self.owns = false;
  self.node.node = s.name;
  self.node.incarnation = new_incarnation();
  self.node.model = actors::identity_of(model, weights);
  self.node.owned.layers = {0, model.layers - 1};
  self.available_bytes = *s.available_ram;
  LARQL_TRY(self.bytes_per_expert, bytes_per_expert(s.vindex, model));
  const auto uniform = jitter_source();
  auto said = std::string{};
  for (auto attempt = 0u;; ++attempt) {
    auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(
        backoff_delay(join.retry, attempt, uniform()));
    const auto answer = actors::announce_to(join, self);
    auto news = std::string{};
    if (!answer) {
      news = answer.error().text;
    } else if (answer->accepted.verdict == schema::verdict::load) {
      if (answer->accepted.experts.last >= model.experts)
        return fail(errc::corrupt, "{}: tells this node to load experts {}, the model has {}",
                    host_port(join.laptop), to_string(answer->accepted.experts), model.experts);
      return std::optional{answer->accepted.experts};
    } else {
      attempt = 0;
      pause = std::clamp(std::chrono::milliseconds{answer->accepted.retry_ms}, 100ms, 60000ms);
      news = fmt::format("{}: nothing is missing, standing by", host_port(join.laptop));
    }
    if (news != said)
      log_info("join", "{}", news);
    said = news;
    watch.still_loading();
    if (signal_within(signals, pause) != 0)
      return std::optional<experts::index_range>{};
  }
}

// Fetches what the node needs if the model is one of the Hub, and puts the directory in its place.
// False if a signal came.
result<bool> fetch_model(node_settings& s, const node_settings& told, const sigset_t& signals,
                         watchers& watch) {
  auto wanted = told;
  wanted.experts = s.experts;
  auto stop = std::stop_source{};
  auto signal_watch = std::jthread{[&](const std::stop_token& ended) {
    while (!ended.stop_requested() && !stop.stop_requested()) {
      watch.still_loading();
      if (signal_within(signals, signal_poll) != 0)
        stop.request_stop();
    }
  }};
  const auto dir = resolve_model(wanted, node_needs(wanted), stop.get_token());
  signal_watch.request_stop();
  signal_watch.join();
  if (stop.stop_requested())
    return false;
  if (!dir)
    return dir.error();
  LARQL_TRY(const auto there, path_exists(*dir / vindex::index_file));
  if (!there && *dir == default_vindex)
    return fail(errc::usage,
                "no model: give a vindex, or set VINDEX_PATH or HF_REPO ({} holds none)",
                dir->string());
  s.vindex = dir->string();
  return true;
}

// The node must not be asked when it is gone.
struct attachment {
  node_health& health;
  attachment(node_health& h, const actors::node_server& node) : health(h) { health.attach(node); }
  ~attachment() { health.detach(); }
  attachment(const attachment&) = delete;
};

// Reads the owned experts with progress. The signal that came meanwhile, or 0.
result<int> warm_up(const experts::expert_bank& bank, const sigset_t& signals, watchers& watch) {
  auto line = progress_line{"warm-up"};
  auto signal = 0;
  auto told = std::chrono::steady_clock::time_point{};
  const auto begin = std::chrono::steady_clock::now();
  auto ok = bank.warm_up([&](std::uint64_t done) {
    line.update(done, bank.owned_bytes(), 0, "");
    if (const auto now = std::chrono::steady_clock::now(); now - told >= 1s) {
      told = now;
      watch.loading(fmt::format("warm-up, {} of {} read", format_bytes(done),
                                format_bytes(bank.owned_bytes())));
    }
    signal = signal_within(signals, 0ms);
    return signal == 0;
  });
  if (signal != 0)
    return signal;
  LARQL_TRY_VOID(std::move(ok));
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  log_info("node", "warm: {} of {} resident after {:.1f} s ({}/s)",
           format_bytes(bank.resident_bytes()), format_bytes(bank.owned_bytes()), seconds,
           format_bytes(static_cast<std::uint64_t>(static_cast<double>(bank.owned_bytes()) /
                                                   std::max(seconds, 1e-3))));
  return 0;
}

// Makes the pages of the bank as the settings want them. The signal that came meanwhile, or 0.
result<int> prepare_pages(const node_settings& s, const experts::expert_bank& bank,
                          const sigset_t& signals, watchers& watch) {
  if (s.warmup) {
    watch.loading("warm-up");
    LARQL_TRY(const auto signal, warm_up(bank, signals, watch));
    if (signal != 0)
      return signal;
  }
  if (s.mlock) {
    watch.loading("locking pages in memory");
    if (const auto ok = bank.lock_in_memory(); !ok)
      log_warning("node", "--mlock: {}; the {} of experts are not locked", ok.error().text,
                  format_bytes(bank.owned_bytes()));
  }
  auto now = schema::node_status{};
  actors::measure_process(bank, now);
  log_info("node", "memory: owned={} resident={} rss={}", now.owned_bytes, now.resident_bytes,
           now.rss_bytes);
  return 0;
}

result<std::unique_ptr<node_http>> start_http(const node_settings& s, const node_health& health) {
  if (!s.http_port)
    return std::unique_ptr<node_http>{};
  auto out = node_http::start({s.http_bind, *s.http_port}, health);
  if (!out)
    return std::move(out).error().in("HTTP");
  log_info("http", "/healthz, /readyz and /metrics on http://{}",
           to_string(actors::endpoint{s.http_bind, (*out)->port()}));
  return out;
}

void end_process_soon(int code) {
  // A call that is still computed must not keep the process, which has nothing left to lose.
  std::signal(
      SIGALRM,
      code == exit_ok ? [](int) { ::_exit(exit_ok); } : [](int) { ::_exit(exit_failure); });
  ::alarm(end_seconds);
}

} // namespace

result<node_end> serve_node(const node_settings& settings) {
  const auto signals = block_signals();
  LARQL_TRY(const auto* k, choose_kernels());
  LARQL_TRY(const auto tls, actors::tls_context::from(settings.protect));
  if (!tls && !actors::is_loopback(settings.bind))
    log_warning("node", "INSECURE: {} is reachable by others without encryption or authentication",
                settings.bind);
  auto watch = watchers{};
  LARQL_TRY(const auto http, start_http(settings, watch.health));
  auto s = settings;
  watch.loading("looking for the model");
  LARQL_TRY(const auto fetched, fetch_model(s, settings, signals, watch));
  if (!fetched)
    return node_end::stopped;
  LARQL_TRY(const auto model, vindex::read_index(s.vindex));
  LARQL_TRY(const auto weights, vindex::name_weights(s.vindex, model));
  if (s.port == 0)
    s.port = port_of_predecessor();
  LARQL_TRY(auto listening, actors::listen_on({s.bind, s.port}));
  const auto at = actors::endpoint{s.bind, actors::local_port(listening)};
  if (s.name.empty())
    s.name = tls && !tls->self().name.empty() ? tls->self().name : default_name(s, at);

  auto join = std::optional<actors::announce_options>{};
  if (s.join)
    join = actors::announce_options{*s.join, tls, 5000ms, {}};
  if (s.available_ram) {
    watch.loading("waiting for a coordinator to say what to load");
    LARQL_TRY(s.experts, ask_what_to_load(s, model, weights, *join, signals, watch));
    if (!s.experts)
      return node_end::stopped;
    watch.loading("looking for the experts to load");
    LARQL_TRY(const auto got, fetch_model(s, settings, signals, watch));
    if (!got)
      return node_end::stopped;
  }
  LARQL_TRY(const auto owned, owned_by(s, model));
  LARQL_TRY(const auto bank, experts::expert_bank::open(s.vindex, model, owned));
  auto pool = compute_pool{choose_threads(s.threads)};
  auto description = actors::describe(model, bank, weights, s.name, new_incarnation());
  if (s.warmup || s.mlock)
    description.state = schema::node_state::loading;

  auto config = actors::system_config{};
  auto sys = caf::actor_system{config};
  auto options =
      actors::node_server_options{{*k, pool}, bank, description, std::move(listening), tls, {}};
  options.restart_node = [] { ::kill(::getpid(), restart_signal); };
  auto node = actors::node_server{sys, std::move(options)};
  const auto attached = attachment{watch.health, node};
  LARQL_TRY(auto signal, prepare_pages(s, bank, signals, watch));
  if (signal == 0) {
    node.ready();
    watch.health.serving();
    auto joined = std::optional<actors::announcer>{};
    if (join)
      joined.emplace(*join, node);
    // The one line on stdout: scripts wait for it.
    fmt::print("larql-node {} ready on {}: experts {}, layers {} ({})\n", s.name, to_string(at),
               to_string(owned.experts), to_string(owned.layers), format_bytes(bank.owned_bytes()));
    std::fflush(stdout);
    watch.manager.ready(fmt::format("experts {}, layers {} on {}", to_string(owned.experts),
                                    to_string(owned.layers), to_string(at)));
    sigwait(&signals, &signal);
  }
  log_info("node", "{}: draining", name_of(signal));
  watch.health.draining();
  watch.manager.stopping("draining");
  node.stop_listening();
  if (node.drain(drain_timeout))
    log_info("node", "drained");
  if (signal != restart_signal)
    end_process_soon(exit_ok);
  else
    ::setenv(same_port_variable, std::to_string(at.port).c_str(), 1);
  return signal == restart_signal ? node_end::restart : node_end::stopped;
}

} // namespace larql::cli
