// larql serve: the model as programs know it, over HTTP.
//
// The port is open before the model is loaded, so that whoever waits for it can ask /health. From
// the first SIGTERM on nothing new is taken; answers finish, or are cut when the deadline comes.

#include "actors/session/session_service.hpp"
#include "cli/laptop/node_watch.hpp"
#include "cli/laptop/prompt_identity.hpp"
#include "cli/laptop/served_model.hpp"
#include "cli/serve/page/cluster_json.hpp"
#include "cli/serve/server/api_server.hpp"
#include "cli/serve/server/cluster_counters.hpp"
#include "cli/serve/server/serve_metrics.hpp"
#include "cli/serve/server/session_backend.hpp"
#include "cli/support/command.hpp"
#include "cli/support/environment.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/parse_bytes.hpp"
#include "cli/support/process_signals.hpp"
#include "cli/support/service_manager.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/available_memory.hpp"
#include "runtime/base/format_bytes.hpp"
#include "runtime/base/log.hpp"
#include "runtime/models/gemma4/kv_size.hpp"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto signal_poll = 50ms;
// How late a hang-up is noticed, and how old the latencies of nodes may be.
constexpr auto look_interval = 1s;
// For the last bytes of answers that have ended.
constexpr auto last_bytes = 5s;

struct options {
  runtime_options runtime;
  serve::api_server_options server;
  std::uint32_t parallel = 16;
  std::uint32_t queue = 256;
  std::string kv_memory;
  std::string name;
  std::string chat_format; ///< as in answer_flags
  bool thinking = false;
  bool share_prefix = false;
  std::filesystem::path prompt_cache;
  std::string prompt_cache_size = "16GB";
  double latency_factor = 3;
  std::uint32_t drain_seconds = 30;
};

// Where a model is loaded, a signal must end the wait for nodes and downloads.
class stop_on_signal {
public:
  explicit stop_on_signal(process_signals& signals)
      : watch_([this, &signals](const std::stop_token& ended) {
          while (!ended.stop_requested() && !source_.stop_requested())
            if (signals.within(signal_poll) != 0)
              source_.request_stop();
        }) {}
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }
  /// Ends the watch; whether a signal came.
  [[nodiscard]] bool finish() {
    watch_.request_stop();
    watch_.join();
    return source_.stop_requested();
  }

private:
  std::stop_source source_;
  std::jthread watch_;
};

// "listening": said at once when the model is there, and while it takes long; a model that cannot
// be used is all there is to say.
class loading_notice {
public:
  explicit loading_notice(std::string url)
      : url_(std::move(url)), waits_([this](const std::stop_token& known) {
          auto lock = std::unique_lock{mutex_};
          ended_.wait_for(lock, known, look_interval, [] { return false; });
          if (!known.stop_requested())
            log_info("serve", "listening on {}; the model is being loaded", url_);
          is_said_ = !known.stop_requested();
        }) {}
  /// It is known what became of the model.
  void finish(bool is_there) {
    waits_.request_stop();
    waits_.join();
    if (is_there && !is_said_)
      log_info("serve", "listening on {}", url_);
  }

private:
  std::string url_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  bool is_said_ = false; // of the thread until it has ended
  std::jthread waits_;
};

result<actors::session_options> session_options_of(const options& o, local_runtime& e) {
  auto out = actors::session_options{};
  out.limits.running = o.parallel;
  out.limits.waiting = o.queue;
  out.limits.longest_pause = o.server.limits.longest_pause;
  e.set_context();
  if (e.is_placed()) { // keys and values are at the node
    if (!o.prompt_cache.empty())
      return fail(errc::usage, "--prompt-cache: prompts are read at a node (--session-at)");
    return out;
  }
  const auto& context = e.context();
  const auto one =
      gemma4::kv_bytes(e.model().config, e.kv_format(), context.tokens, o.runtime.chunk);
  if (o.kv_memory.empty()) {
    const auto weights = resident_bytes(e.vindex(), e.nodes() == nullptr);
    out.limits.kv_bytes = gemma4::usual_kv_memory(available_memory(), weights, one);
  } else {
    LARQL_TRY(out.limits.kv_bytes, parse_bytes(o.kv_memory, "--kv-memory"));
  }
  log_info("serve", "context: {}; memory for keys and values: {}, {} sequences of the full context",
           context.text(), format_bytes(out.limits.kv_bytes), out.limits.kv_bytes / one);
  if (out.limits.kv_bytes < one)
    log_warning("serve", "a sequence of the full context needs {}: longer ones will be refused",
                format_bytes(one));
  out.share_prefix = o.share_prefix;
  out.latency_factor = o.latency_factor;
  out.disk.dir = o.prompt_cache;
  LARQL_TRY(out.disk.max_bytes, parse_bytes(o.prompt_cache_size, "--prompt-cache-size"));
  return out;
}

// The one line on stdout: scripts wait for it.
void announce(const serve::api_server& server, const serve::model_facts& facts,
              const service_manager& manager) {
  const auto text = fmt::format("{}: {}, context {}, {} answers at once", server.url(), facts.name,
                                facts.context, facts.parallel);
  if (const auto written = write_output(fmt::format("larql serve ready on {}\n", text)); !written)
    log_warning("serve", "{}", written.error().text);
  manager.ready(text);
}

// What the page shows, as of now.
std::string cluster_text(const local_runtime& e, const serve::model_facts& facts,
                         const experts::expert_heat& heat, node_watch& nodes,
                         const actors::session_status& sessions,
                         serve::cluster_event::time started) {
  auto out = serve::cluster_picture{};
  out.now = std::chrono::steady_clock::now();
  out.started = started;
  out.model = facts;
  if (e.nodes() == nullptr && !e.is_placed())
    out.own = experts::ownership{{0, facts.layers - 1}, {0, facts.experts - 1}};
  auto seen = nodes.look();
  out.nodes = std::move(seen.nodes);
  out.events = std::move(seen.events);
  auto used = heat.snapshot();
  out.heat = {used.tokens, std::move(used.counts)};
  out.counters = serve::counters_of(sessions);
  if (e.options().speculation.speculate != "off")
    out.speculation = serve::speculation_of(sessions);
  return serve::to_text(serve::cluster_json(out));
}

void serve_until_signal(serve::api_server& server, node_watch& nodes, process_signals& signals) {
  while (signals.within(look_interval) == 0) {
    if (signals.take_hangup())
      server.reload();
    nodes.refresh();
    server.sweep();
  }
}

// From a model that is loaded to the end of its last answer.
result<void> serve_model(const options& o, const chat_model& model,
                         std::unique_ptr<serve::api_server> open, process_signals& signals,
                         const service_manager& manager) {
  auto& e = *model.compute;
  LARQL_TRY(auto facts, facts_of(model, o.name));
  LARQL_TRY(auto limits, session_options_of(o, e));
  facts.parallel = limits.limits.running;
  facts.thinking = o.thinking;
  if (!limits.disk.dir.empty()) {
    LARQL_TRY(limits.identity, prompt_identity(e.vindex(), e.model().config));
  }
  const auto started = std::chrono::steady_clock::now();
  const auto& heat = e.count_experts();
  LARQL_TRY(const auto sessions, e.start_sessions(std::move(limits)));
  facts.context = e.context().tokens;
  LARQL_TRY(auto* const system, e.actor_system());
  auto nodes = node_watch{*system, e.nodes()};
  auto backend = serve::session_backend{{sessions->client(), model.text.tokens, model.text.defaults,
                                         model.text.format, o.thinking, facts,
                                         [&nodes] { return nodes.count(); }, model.text.no_format}};
  const auto server = std::move(open); // ends before what answers its requests
  server->use_metrics([&, client = sessions->client()] {
    const auto status = client.status();
    return serve::metrics_text({version_number(), facts.name, true, status.get(),
                                server->http().counted(), server->http().busy(), nodes.latencies(),
                                e.predispatch(), e.sums() != quant::sum_format::exact});
  });
  server->use_cluster([&, client = sessions->client(), started] {
    const auto status = client.status();
    return cluster_text(e, facts, heat, nodes, status ? *status : actors::session_status{},
                        started);
  });
  server->attach(&backend);
  signals.serving();
  announce(*server, facts, manager);
  serve_until_signal(*server, nodes, signals);

  log_info("serve", "draining: answers have {} s", o.drain_seconds);
  manager.stopping("draining");
  server->begin_drain();
  sessions->client().drain(std::chrono::seconds{o.drain_seconds});
  server->wait_until_idle(last_bytes);
  log_info("serve", "drained");
  return {};
}

// A model whose template is not understood still continues plain text.
void say_about_prompts(const text_assets& text) {
  for (const auto& note : text.notes)
    log_info("serve", "{}", note);
  if (const auto format = text.require_format(); !format)
    log_warning("serve", "{}", format.error().text);
}

result<int> run(options o) {
  set_log_writer(nullptr); // lines with their time, as a service writes them
  set_log_level(log_level::info);
  LARQL_TRY(const auto signals, process_signals::start());
  const auto manager = service_manager{process_environment("NOTIFY_SOCKET").value_or("")};
  LARQL_TRY(auto server, serve::api_server::start(o.server));
  server->use_metrics([http = &server->http()] {
    return serve::metrics_text(
        {version_number(), {}, false, nullptr, http->counted(), http->busy(), {}, 0});
  });
  auto notice = loading_notice{server->url()};
  auto stop = stop_on_signal{*signals};
  auto model = [&]() -> result<chat_model> {
    LARQL_TRY_VOID(complete(o.runtime));
    return start_model(o.runtime, o.chat_format, stop.token());
  }();
  notice.finish(static_cast<bool>(model));
  if (stop.finish())
    return exit_ok; // before it was ready
  if (!model)
    return std::move(model).error();
  say_about_prompts(model->text);
  LARQL_TRY_VOID(serve_model(o, *model, std::move(server), *signals, manager));
  return exit_ok;
}

void add_server_options(command_parser& c, options& o) {
  c.add_option("--host", o.server.host, "Address to listen on").show_default();
  c.add_option("--port", o.server.port, "Port; 0: any").show_default();
  c.add_option("--api-key-file", o.server.api_key_file, "File of keys, one to a line")
      .group("Access");
  c.add_option("--https-cert", o.server.certificate,
               "Certificate of the server, PEM, with its chain")
      .group("Access");
  c.add_option("--https-key", o.server.key, "Its key").group("Access");
  c.add_flag("--insecure-bind", o.server.insecure_bind,
             "Listen on any --host without a key or without HTTPS")
      .group("Access");
  c.add_option("--allowed-host", o.server.allowed_hosts,
               "A further name by which clients call this server; several are possible")
      .group("Access");
  c.add_option("--allowed-origin", o.server.allowed_origins,
               "Origin whose web pages may use the server, like https://chat.example.org; several "
               "are possible")
      .group("Access");
  c.add_option("--drain-timeout", o.drain_seconds, "Seconds that answers have to finish at the end")
      .show_default()
      .group("Limits");
}

void add_session_options(command_parser& c, options& o) {
  c.add_option("--parallel", o.parallel, "Answers computed at once; others wait")
      .check(whole_number(1, 1024))
      .show_default();
  c.add_option("--queue", o.queue, "Answers that may wait")
      .check(whole_number(1, 100'000))
      .show_default()
      .group("Limits");
  c.add_option("--kv-memory", o.kv_memory,
               "Memory for keys and values, like 8GB (default: half of what is free)")
      .group("Limits");
  c.add_option("--name", o.name, "What clients call the model (default: that of its file)")
      .group("Access");
  add_chat_format_option(c, o.chat_format);
  c.add_flag("--thinking", o.thinking, "Let the model think unless a request says not to")
      .group("Prompt");
  c.add_flag("--share-prefix", o.share_prefix, "Let all keys use each other's cached prompts")
      .group("Prefix cache");
  c.add_option("--prompt-cache", o.prompt_cache, "Directory that keeps prompts beyond the process")
      .group("Prefix cache");
  c.add_option("--prompt-cache-size", o.prompt_cache_size, "What it may take on the disk")
      .show_default()
      .group("Prefix cache");
  c.add_option("--latency-factor", o.latency_factor,
               "How much longer tokens may take while a long prompt is read")
      .check(number_between(1, 100))
      .show_default()
      .group("Limits");
}

} // namespace

void add_serve(command_parser& app, action& chosen) {
  auto command = app.add_command("serve", "Answer programs over HTTP (OpenAI, Anthropic, Ollama)");
  auto o = std::make_shared<options>();
  add_runtime_options(command, o->runtime);
  add_session_at(command, o->runtime);
  add_speculation_options(command, o->runtime.speculation);
  add_server_options(command, *o);
  add_session_options(command, *o);
  command.footer("larql serve gemma4.vindex\n"
                 "larql serve --topology cluster.toml --api-key-file keys.txt\n\n"
                 "SIGTERM lets answers finish; SIGHUP reads keys and certificates again.");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(run(*o)); }; });
}

} // namespace larql::cli
