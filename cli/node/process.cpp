#include "cli/node/process.hpp"

#include "actors/core/system.hpp"
#include "actors/net/model_match.hpp"
#include "actors/node/announcer.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/node_server.hpp"
#include "cli/node/http.hpp"
#include "cli/node/loading_port.hpp"
#include "cli/node/model_source.hpp"
#include "cli/node/prepare_pages.hpp"
#include "cli/node/protection.hpp"
#include "cli/node/session_place.hpp"
#include "cli/node/watchers.hpp"
#include "cli/support/command.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/last_resort.hpp"
#include "cli/support/limit_check.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/process_signals.hpp"
#include "cli/support/weights_identity.hpp"
#include "runtime/base/format_bytes.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/presence.hpp"

#include <climits>
#include <csignal>
#include <cstdlib>
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
// How often a node that serves is asked whether it is there, and how long it may take to say so.
constexpr auto ask_interval = 1s;
constexpr auto ask_timeout = 5s;
// How often certificates that expire soon are named.
constexpr auto notice_interval = 24h;

std::uint64_t new_incarnation() {
  auto device = std::random_device{};
  return std::uint64_t{device()} << 32 | device();
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
  LARQL_TRY(const auto files, vindex::storage::open(dir));
  auto sum = std::uint64_t{0};
  for (auto l = 0u; l < model.layers; ++l) {
    const auto name = vindex::layer_file_name(l);
    LARQL_TRY(const auto exists, files.has(name));
    if (!exists) // of a slice by layers
      continue;
    LARQL_TRY(const auto in, files.open_file(name));
    LARQL_TRY(const auto header, vindex::read_layer_header(in, model));
    sum += header.expert_bytes();
  }
  if (sum == 0)
    return fail(errc::mismatch, "{}: has no layer files, so nobody knows how large an expert is",
                dir.string());
  return sum;
}

// Asks the coordinator until it says what to load. Nothing if a signal came first.
result<std::optional<experts::index_range>>
ask_what_to_load(const node_settings& s, const vindex::model_config& model,
                 const vindex::weights_names& weights, const actors::announce_options& join,
                 process_signals& signals, watchers& watch) {
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
      news =
          fmt::format("{}: has no experts for this node now, standing by", host_port(join.laptop));
    }
    if (news != said)
      log_info("join", "{}", news);
    said = news;
    watch.still_loading();
    if (signals.within(pause) != 0)
      return std::optional<experts::index_range>{};
  }
}

// Fetches what the node needs if the model is one of the Hub, and puts the directory in its place.
// False if a signal came.
result<bool> fetch_model(node_settings& s, const node_settings& told, process_signals& signals,
                         watchers& watch) {
  auto wanted = told;
  wanted.experts = s.experts;
  auto stop = std::stop_source{};
  auto signal_watch = std::jthread{};
  if (is_fetched(wanted)) // what is here already is found at once
    signal_watch = std::jthread{[&](const std::stop_token& ended) {
      while (!ended.stop_requested() && !stop.stop_requested()) {
        watch.still_loading();
        if (signals.within(signal_poll) != 0)
          stop.request_stop();
      }
    }};
  const auto dir = resolve_model(wanted, node_needs(wanted), stop.get_token());
  signal_watch.request_stop();
  if (signal_watch.joinable())
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

void end_process_soon() {
  // A call that is still computed must not keep the process, which has nothing left to lose.
  std::signal(SIGALRM, [](int) { ::_exit(exit_ok); });
  ::alarm(end_seconds);
}

// What a node needs beside its files.
struct node_parts {
  const node_settings& settings;
  actors::endpoint at;
  std::optional<actors::announce_options> join;
  const experts::expert_bank& bank;
  const experts::ownership& owned;
  weights_identity& weights;
  kernels::compute compute;
};

// SIGHUP: new connections use the certificates as they are now; if those are no good, what was.
void reload_protection(const node_settings& s, actors::node_server& node,
                       actors::announcer* announcer, node_health& health) {
  const auto fresh = load_protection(s, health);
  if (!fresh)
    return log_error("tls", "SIGHUP: {}; what was read before stays in use", fresh.error().text);
  if (*fresh == nullptr)
    return log_info("tls", "SIGHUP: there are no certificates to read again");
  node.use_tls(*fresh);
  if (announcer != nullptr)
    announcer->use_tls(*fresh);
  log_info("tls", "SIGHUP: certificates were read again; connections that are open stay");
}

// Waits for a signal, and asks the node meanwhile whether it is there: one that is gone answers
// nobody, and a process without it is of no use.
result<int> serve_until_signal(const node_parts& p, actors::node_server& node,
                               actors::announcer* announcer, node_health& health,
                               process_signals& signals) {
  for (auto noticed = std::chrono::steady_clock::now();;) {
    if (const auto signal = signals.within(ask_interval); signal != 0)
      return signal;
    if (signals.take_hangup())
      reload_protection(p.settings, node, announcer, health);
    if (const auto now = std::chrono::steady_clock::now(); now - noticed >= notice_interval) {
      noticed = now;
      log_expiring(health.certificates());
    }
    if (const auto state = node.ask(ask_timeout))
      health.answered();
    else if (state.error().code != errc::deadline)
      return state.error();
  }
}

void announce_ready(const node_parts& p, const watchers& watch) {
  // The one line on stdout: scripts wait for it.
  if (const auto written =
          write_output(fmt::format("larql-node {} ready on {}: experts {}, layers {} ({})\n",
                                   p.settings.name, to_string(p.at), to_string(p.owned.experts),
                                   to_string(p.owned.layers), format_bytes(p.bank.owned_bytes())));
      !written)
    log_warning("node", "{}", written.error().text);
  watch.manager.ready(fmt::format("experts {}, layers {} on {}", to_string(p.owned.experts),
                                  to_string(p.owned.layers), to_string(p.at)));
}

// From a node that loads to one that has drained. The signal that ended it.
result<int> serve(const node_parts& p, actors::node_server& node, process_signals& signals,
                  watchers& watch, ends_without_memory& starting) {
  // It has said that it loads before anything else is said, and it is there.
  if (const auto there = node.ask(ask_timeout); !there && there.error().code != errc::deadline)
    return there.error();
  LARQL_TRY(auto signal, prepare_pages(p.settings, p.bank, p.compute, node, signals, watch));
  if (signal == 0) {
    LARQL_TRY_VOID(node.ready());
    const auto digests =
        p.weights.complete(p.owned, [&](const sha256_digest& d) { node.set_owned_digest(d); });
    watch.health.serving();
    auto joined = std::optional<actors::announcer>{};
    if (p.join)
      joined.emplace(*p.join, node);
    starting.release();
    signals.serving();
    announce_ready(p, watch);
    LARQL_TRY(signal,
              serve_until_signal(p, node, joined ? &*joined : nullptr, watch.health, signals));
  }
  log_info("node", "{}: draining", name_of(signal));
  watch.health.draining();
  watch.manager.stopping("draining");
  node.stop_listening();
  if (node.drain(drain_timeout))
    log_info("node", "drained");
  return signal;
}

// Runs the actors; the signal that ended them. Ends the process if they cannot be started or are
// gone: the destructor of their system would wait for them for ever.
int run_node(const node_parts& p, caf::actor_system& sys, actors::node_server_options options,
             process_signals& signals, watchers& watch, ends_without_memory& starting) {
  try {
    auto node = actors::node_server{sys, std::move(options)};
    const auto attached = attachment{watch.health, node};
    const auto signal = serve(p, node, signals, watch, starting);
    if (signal)
      return *signal;
    ::_exit(report(signal.error()));
  } catch (const std::exception& e) {
    ::_exit(report(fail(errc::io, "cannot run the node: {}", e.what())));
  }
}

} // namespace

result<node_end> serve_node(const node_settings& settings) {
  auto starting = ends_without_memory{};
  LARQL_TRY(const auto taken, process_signals::start());
  auto& signals = *taken;
  LARQL_TRY(const auto* k, choose_kernels());
  auto watch = watchers{};
  LARQL_TRY(const auto tls, load_protection(settings, watch.health));
  if (!tls && !actors::is_loopback(settings.bind))
    log_warning("node", "INSECURE: {} is reachable by others without encryption or authentication",
                settings.bind);
  LARQL_TRY(const auto http, start_http(settings, watch.health));
  auto s = settings;
  if (s.port == 0)
    s.port = port_of_predecessor();
  auto listened = actors::listen_on({s.bind, s.port}); // a wrong model is said before a taken port
  if (!listened && (!s.hub_repo.empty() || hub::is_hub_path(s.vindex)))
    return listened.error(); // before anything is fetched
  auto loading = std::unique_ptr<actors::listener>{};
  watch.loading("looking for the model");
  if (listened) {
    LARQL_TRY(loading, open_loading_port(*listened, tls, watch.health));
  }
  LARQL_TRY(const auto fetched, fetch_model(s, settings, signals, watch));
  if (!fetched)
    return node_end::stopped;
  LARQL_TRY_VOID(require_vindex(s.vindex));
  LARQL_TRY(const auto model, vindex::read_index(s.vindex));
  LARQL_TRY(const auto weights, vindex::name_weights(s.vindex, model));
  LARQL_TRY(auto listening, std::move(listened));
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
  LARQL_TRY(const auto identity, weights_identity::open(s.vindex, model));
  description.owned_digest = identity->digest_of(owned);
  LARQL_TRY(const auto sessions, sessions_of(s, model, owned));
  description.sessions = sessions;
  if (s.warmup || s.mlock)
    description.state = schema::node_state::loading;

  loading.reset(); // from here on the node itself answers
  LARQL_TRY_VOID(check_limits());
  auto config = actors::system_config{};
  auto sys = caf::actor_system{config};
  auto options =
      actors::node_server_options{{*k, pool}, bank, description, std::move(listening), tls, {}};
  options.buffer_bytes = s.buffer_bytes;
  auto place = std::unique_ptr<session_place>{};
  if (sessions != 0) {
    place = std::make_unique<session_place>(s, model, kernels::compute{*k, pool}, bank, owned,
                                            sessions, sys);
    options.sessions = place->desk();
  }
  options.reached = s.reach;
  options.owned_digest = [w = identity](const experts::ownership& of) { return w->digest_of(of); };
  options.restart_node = [] { ::kill(::getpid(), process_signals::restart); };
  auto signal = 0;
  try {
    signal = run_node({s, at, join, bank, owned, *identity, {*k, pool}}, sys, std::move(options),
                      signals, watch, starting);
  } catch (const std::exception& e) { // no thread or no memory: the actors could not be taken down
    say("cannot go on: {}", e.what());
    std::_Exit(exit_failure);
  }
  if (signal != process_signals::restart || signals.told_to_end()) {
    end_process_soon();
    return node_end::stopped;
  }
  ::setenv(same_port_variable, std::to_string(at.port).c_str(), 1);
  return node_end::restart;
}

} // namespace larql::cli
