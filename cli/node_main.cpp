// larql-node: serves a range of experts of a vindex to laptops.

#include "actors/errc.hpp"
#include "actors/expert_service.hpp"
#include "actors/expert_shard.hpp"
#include "actors/net/listener.hpp"
#include "actors/node.hpp"
#include "actors/system.hpp"
#include "cli/engine.hpp"
#include "cli/progress.hpp"
#include "cli/version.hpp"
#include "runtime/base/log.hpp"
#include "runtime/vindex/fingerprint.hpp"

#include <atomic>
#include <csignal>
#include <random>
#include <unistd.h>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t default_port = 9470;
// How long a drain may take before the process ends anyway.
constexpr auto drain_timeout = 30s;
// How long peers may take to read their last answers.
constexpr auto last_answers_seconds = 5u;

struct options {
  std::filesystem::path vindex;
  std::string experts;
  std::string layers;
  std::string bind = "127.0.0.1";
  std::uint16_t port = default_port;
  std::string name;
  unsigned threads = 0;
};

result<experts::ownership> owned_by(const options& o, const vindex::model_config& model) {
  auto out = experts::ownership{{0, model.layers - 1}, {0, model.experts - 1}};
  if (!o.experts.empty()) {
    LARQL_TRY(out.experts, experts::parse_range(o.experts, "--experts"));
  }
  if (!o.layers.empty()) {
    LARQL_TRY(out.layers, experts::parse_range(o.layers, "--layers"));
  }
  return out;
}

std::uint64_t new_incarnation() {
  auto device = std::random_device{};
  return std::uint64_t{device()} << 32 | device();
}

// SIGTERM and SIGINT are taken by sigwait in the main thread, so that no handler is needed.
sigset_t block_signals() {
  auto set = sigset_t{};
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void drain(caf::actor_system& sys, const actors::node_actor& node) {
  auto self = caf::scoped_actor{sys};
  self->request(node, drain_timeout, actors::drain_atom::value)
      .receive(
          [] { log_info("node", "drained"); },
          [](const caf::error& err) { log_warning("node", "drain: {}", actors::text_of(err)); });
}

result<void> serve(const options& o) {
  if (!actors::is_loopback(o.bind))
    return fail(errc::usage,
                "--bind {}: this version has no TLS, so a node listens on loopback addresses only",
                o.bind);
  if (o.name.size() > schema::max_name_bytes || one_line(o.name) != o.name)
    return fail(errc::usage, "--name \"{}\": expected at most {} bytes without control characters",
                o.name, schema::max_name_bytes);
  const auto signals = block_signals();
  LARQL_TRY(const auto* k, choose_kernels());
  LARQL_TRY(const auto model, vindex::read_index(o.vindex));
  LARQL_TRY(const auto owned, owned_by(o, model));
  LARQL_TRY(const auto bank, experts::expert_bank::open(o.vindex, model, owned));
  LARQL_TRY(const auto weights, vindex::fingerprint(o.vindex, model));
  auto pool = compute_pool{choose_threads(o.threads)};
  LARQL_TRY(auto listening, actors::listen_on({o.bind, o.port}));
  const auto at = actors::endpoint{o.bind, actors::local_port(listening)};
  const auto name = o.name.empty() ? to_string(at) : o.name;
  auto service = actors::expert_service{
      {*k, pool}, bank, actors::describe(model, bank, weights, name, new_incarnation())};
  const auto description = std::make_shared<schema::node_description>(service.self());

  auto config = actors::system_config{};
  auto sys = caf::actor_system{config};
  const auto compute = [&service](const actors::payload& call) {
    auto a = service.run(call.body(), std::chrono::steady_clock::now());
    return actors::expert_shard_state::computed{std::move(a.frame), a.ok};
  };
  auto failed = std::atomic<bool>{false};
  auto node = actors::spawn_state<actors::node_state>(
      sys,
      actors::spawn_state<actors::expert_shard_state, caf::detached>(sys, description, compute),
      description, [&failed](const std::string& why) {
        log_error("node", "the shard ended: {}", why);
        failed.store(true);
        ::kill(::getpid(), SIGTERM); // wakes the main thread
      });
  {
    const auto listener = actors::listener{std::move(listening), node, description, {}};
    // The one line on stdout: scripts wait for it.
    fmt::print("larql-node {} ready on {}: experts {}, layers {} ({})\n", name, to_string(at),
               to_string(owned.experts), to_string(owned.layers), format_bytes(bank.owned_bytes()));
    std::fflush(stdout);
    auto signal = 0;
    sigwait(&signals, &signal);
    log_info("node", "{}: draining", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  }
  if (!failed.load())
    drain(sys, node);
  // The network thread ends when all answers are sent. A peer that does not take them must not keep
  // the process, which has nothing left to lose.
  std::signal(
      SIGALRM, failed.load() ? [](int) { ::_exit(exit_failure); } : [](int) { ::_exit(exit_ok); });
  ::alarm(last_answers_seconds);
  caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
  node = nullptr; // the node holds the last handle of the shard, whose thread ends with it
  if (failed.load())
    return fail(errc::internal, "the expert shard ended unexpectedly");
  return {};
}

} // namespace

int report(const failure& f) {
  fmt::print(stderr, "larql-node: {}\n", one_line(f.text));
  return f.code == errc::usage ? exit_usage : exit_failure;
}

} // namespace larql::cli

int main(int argc, char** argv) {
  using namespace larql::cli;
  std::signal(SIGPIPE, SIG_IGN);
  auto o = options{};
  auto app = CLI::App{"Serves experts of a mixture-of-experts model to laptops running larql."};
  app.name("larql-node");
  app.set_version_flag("--version", version_text());
  app.add_option("vindex", o.vindex, "Directory of the model")->required();
  app.add_option("--experts", o.experts, "Experts to own, FIRST-LAST (default: all)");
  app.add_option("--layers", o.layers, "Layers to own, FIRST-LAST (default: all)");
  app.add_option("--bind", o.bind, "Address to listen on")->capture_default_str();
  app.add_option("--port", o.port, "Port to listen on; 0: any free one")->capture_default_str();
  app.add_option("--name", o.name, "Name of the node (default: its address)");
  app.add_option("-t,--threads", o.threads, "Threads for computing (default: one per core)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_usage;
  }
  try {
    const auto ok = serve(o);
    return ok ? exit_ok : report(ok.error());
  } catch (const std::exception& e) {
    fmt::print(stderr, "larql-node: unexpected: {}\n", e.what());
    return exit_failure;
  }
}
