#include "cli/laptop/local_runtime.hpp"

#include "actors/net/model_match.hpp"
#include "cli/support/cache.hpp"
#include "cli/support/last_resort.hpp"
#include "cli/support/limit_check.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/output.hpp"

#include "runtime/base/available_memory.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"

#include <cstdlib>
#include <thread>

namespace larql::cli {

namespace {

// Passes with experts on nodes. A pass of 256 tokens holds 15 MB of a model of width 2,816.
constexpr std::uint32_t most_in_flight = 8;

} // namespace

void add_runtime_options(command_parser& command, runtime_options& o) {
  command.add_option("model", o.vindex,
                     "Vindex, GGUF, checkpoint, hf:// (default: by --topology)\n"
                     "A file or a directory of this machine, or hf://OWNER/NAME of the Hub.");
  command.add_option("-t,--threads", o.threads, "Threads (default: one per core)")
      .group("Computing");
  add_cluster_flags(command, o.cluster);
  command.add_option("--kv", o.kv, "Numbers of the KV cache")
      .one_of({"f16", "f32"})
      .show_default()
      .group("Computing");
  command.add_option("--context", o.context,
                     "Tokens in all (default: as trained, as memory allows)");
  command.add_option("--chunk", o.chunk, "Prompt tokens per pass")
      .show_default()
      .group("Computing");
  add_dispatch_options(command, o.dispatch);
}

local_runtime::local_runtime(const runtime_options& options, const kernels::kernel_set& k)
    : options_(options), kernels_(&k), pool_(choose_threads(options.threads)) {}

namespace {

// Where the session is to be, as the flag says, else the cluster file.
result<std::vector<std::string>> places_of(const runtime_options& o) {
  if (o.places.empty())
    return o.nodes ? o.nodes->sessions_at : std::vector<std::string>{};
  if (o.places == "here")
    return std::vector<std::string>{};
  auto out = std::vector<std::string>{};
  for (auto rest = std::string_view{o.places};;) {
    const auto comma = rest.find(',');
    if (rest.substr(0, comma).empty())
      return fail(errc::usage, "--session-at \"{}\": a name or HOST:PORT is missing", o.places);
    out.emplace_back(rest.substr(0, comma));
    if (comma == std::string_view::npos)
      return out;
    rest = rest.substr(comma + 1);
  }
}

// What cannot go together with approximate passes, and what they leave out.
result<void> settle_dispatch(runtime_options& o) {
  LARQL_TRY_VOID(check(o.dispatch));
  if (!o.dispatch.is_approximate())
    return {};
  if (!o.session_at.empty())
    return fail(errc::usage, "--moe-dispatch batch asks nodes for experts; a session at a node "
                             "does not (--session-at here leaves it out)");
  auto& speculate = o.speculation.speculate;
  if (speculate != "off" && speculate != "auto")
    return fail(errc::usage,
                "--speculate {}: drafts cannot be verified with --moe-dispatch batch, whose "
                "answers depend on the rows of a pass",
                speculate);
  speculate = "off";
  return {};
}

// A session at a node has exact answers, and goes on with the same ones here if the node is lost.
result<void> check_rounding(const runtime_options& o) {
  if (!o.nodes || o.session_at.empty() || o.nodes->sums == quant::sum_format::exact)
    return {};
  return fail(errc::usage,
              "{}: [wire] sums = \"{}\" rounds what nodes answer; a session at a node does not ask "
              "them (--session-at here leaves it out)",
              o.nodes->source, name_of(o.nodes->sums));
}

} // namespace

result<void> complete(runtime_options& options) {
  LARQL_TRY(options.nodes, read_cluster(options.cluster));
  if (options.vindex.empty() && options.nodes)
    options.vindex = options.nodes->model;
  if (options.vindex.empty())
    return fail(errc::usage,
                "no model: give a GGUF file, a vindex or hf://…, or a topology that names one");
  if (options.may_place) {
    LARQL_TRY(options.session_at, places_of(options));
  }
  LARQL_TRY_VOID(settle_dispatch(options));
  LARQL_TRY_VOID(check_rounding(options));
  options.named = options.vindex.string();
  auto needs = options.nodes || !options.session_at.empty() ? laptop_needs() : hub::pull_request{};
  needs.to_run = true; // what cannot run is not worth its download
  LARQL_TRY(options.vindex, resolve_model(options.named, needs));
  // A slice that cannot run says so before the first file that it lacks is missed.
  LARQL_TRY(const auto sliced, path_exists(options.vindex / vindex::slice_file));
  if (!sliced)
    return {};
  LARQL_TRY(const auto model, vindex::read_index(options.vindex));
  LARQL_TRY(const auto here, vindex::read_presence(options.vindex, model));
  return vindex::require_dense(options.vindex, here);
}

result<std::unique_ptr<local_runtime>> local_runtime::start(const runtime_options& options,
                                                            const std::stop_token& stop) {
  LARQL_TRY(const auto* k, choose_kernels());
  auto out = std::unique_ptr<local_runtime>{new local_runtime{options, *k}};
  out->stop_ = stop;
  if (out->is_placed()) {
    out->model_.dir = options.vindex;
    LARQL_TRY(out->model_.config, vindex::read_index(options.vindex));
  } else {
    LARQL_TRY_VOID(out->open(stop));
  }
  return out;
}

result<void> local_runtime::open(const std::stop_token& stop) {
  LARQL_TRY(model_, gemma4::model::load(options_.vindex));
  LARQL_TRY_VOID(options_.nodes ? connect_nodes(*options_.nodes, stop) : open_local_experts());
  predispatch_ = predispatch_of(options_.dispatch, model_.config.layers);
  if (predispatch_ != 0)
    say("{}", dispatch_notice(predispatch_, model_.config.layers));
  if (const auto f = sums(); f != quant::sum_format::exact)
    say("{}", rounding_notice(f));
  auto flight = generate::executor_options{options_.chunk};
  flight.predispatch = predispatch_;
  if (options_.nodes) {
    flight.adapts = options_.chunks_in_flight == 0;
    flight.chunks_in_flight = flight.adapts ? most_in_flight : options_.chunks_in_flight;
  }
  LARQL_TRY(executor_, generate::executor::create(model_, compute(), port(), flight));
  return {};
}

result<void> local_runtime::open_local_experts() {
  const auto& c = model_.config;
  LARQL_TRY(bank_, experts::expert_bank::open(options_.vindex, c,
                                              {{0, c.layers - 1}, {0, c.experts - 1}}));
  local_ = std::make_unique<experts::local_experts>(compute(), *bank_);
  return {};
}

namespace {

// Null if the vindex has no table.
result<std::shared_ptr<const actors::answer_tables>>
known_answers_of(const std::filesystem::path& dir) {
  auto out = std::make_shared<actors::answer_tables>();
  LARQL_TRY(auto sums, vindex::read_checksums(dir));
  if (sums)
    for (auto& [number, layer] : sums->layers)
      if (layer.answers)
        out->emplace(number, *std::move(layer.answers));
  if (out->empty())
    return std::shared_ptr<const actors::answer_tables>{};
  return std::shared_ptr<const actors::answer_tables>{std::move(out)};
}

} // namespace

// Decides who is right when two nodes differ, if all experts are on this machine as well. Nobody
// waits for it while nodes agree, so it has one thread, and its files are opened when they are
// needed.
actors::own_sums_fn local_runtime::own_sums() const {
  const auto here = vindex::read_presence(options_.vindex, model_.config);
  const auto storage = vindex::storage::open(options_.vindex);
  const auto files = storage ? storage->has(vindex::layer_file_name(0)) : result<bool>{false};
  if (!here || !here->has_all(vindex::everything(model_.config)) || !files || !*files)
    return {};
  struct bench {
    compute_pool pool{1};
    std::optional<experts::expert_bank> bank;
  };
  return [dir = options_.vindex, config = model_.config, k = kernels_,
          own = std::make_shared<bench>()](
             const actors::layer_job& job, std::span<const experts::assignment> assignments,
             std::span<const std::uint32_t> rows) -> std::optional<std::vector<std::int64_t>> {
    if (!own->bank) {
      auto bank = experts::expert_bank::open(dir, config,
                                             {{0, config.layers - 1}, {0, config.experts - 1}});
      if (!bank)
        return std::nullopt;
      own->bank.emplace(*std::move(bank));
    }
    if (job.rows.view().format != own->bank->input_format(job.layer))
      return std::nullopt; // rows that nodes round
    auto all = std::vector<std::int64_t>(std::size_t{job.row_count} * job.hidden, 0);
    auto compute = experts::expert_compute{{*k, own->pool}, *own->bank};
    if (!compute.run(job.layer, job.rows.view(), assignments, all))
      return std::nullopt;
    auto out = std::vector<std::int64_t>{};
    for (const auto r : rows)
      out.insert(out.end(), all.begin() + static_cast<std::ptrdiff_t>(std::size_t{r} * job.hidden),
                 all.begin() + static_cast<std::ptrdiff_t>(std::size_t{r + 1} * job.hidden));
    return out;
  };
}

result<void> local_runtime::connect_nodes(const topology::cluster& c, const std::stop_token& stop) {
  LARQL_TRY(const auto weights, vindex::name_weights(options_.vindex, model_.config));
  LARQL_TRY(auto* const system, actor_system());
  auto o = actors::cluster_options{c, actors::identity_of(model_.config, weights), "larql", stop};
  o.sample_answers = true;
  LARQL_TRY(o.known, known_answers_of(options_.vindex));
  o.own_sums = own_sums();
  LARQL_TRY(weights_, weights_identity::open(options_.vindex, model_.config));
  o.owned_digest = [own = weights_](const experts::ownership& of) { return own->digest_of(of); };
  digests_ = weights_->complete({{0, model_.config.layers - 1}, {0, model_.config.experts - 1}});
  LARQL_TRY(cluster_, actors::cluster::connect(*system, o));
  remote_ =
      std::make_unique<actors::remote_experts>(*system, cluster_->router(), cluster_->formats(),
                                               compute(), cluster_->limits(), cluster_->makers());
  return {};
}

result<caf::actor_system*> local_runtime::actor_system() {
  if (system_)
    return system_.get();
  LARQL_TRY_VOID(check_limits());
  const auto starting = ends_without_memory{}; // half of a system could not be taken down
  system_config_ = std::make_unique<actors::system_config>();
  system_ = std::make_unique<caf::actor_system>(*system_config_);
  return system_.get();
}

std::uint64_t local_runtime::expert_bytes_per_token() const {
  auto sum = std::uint64_t{0};
  if (bank_)
    for (auto l = 0u; l < model_.config.layers; ++l)
      sum += model_.config.top_k * bank_->expert_bytes(l);
  return sum;
}

gemma4::kv_format local_runtime::kv_format() const {
  return options_.kv == "f32" ? gemma4::kv_format::f32 : gemma4::kv_format::f16;
}

// ---- conversations ------------------------------------------------------------------------------

void local_runtime::set_context() {
  const auto trained = model_.config.trained_context;
  if (options_.context != 0) {
    if (trained != 0 && options_.context > trained)
      say("--context {}: the model was trained for {} tokens; beyond them its text may be worse",
          options_.context, trained);
    context_ = {options_.context, trained, context_reason::asked};
  } else {
    context_ =
        choose_context(model_.config, kv_format(), is_placed() ? std::nullopt : available_memory());
    if (context_.reason == context_reason::memory)
      say("context: {} (--context)", context_.text());
  }
}

result<std::unique_ptr<generate::sequence>> local_runtime::new_conversation() {
  set_context();
  return new_sequence(context_.tokens);
}

result<std::unique_ptr<actors::session_provider>>
local_runtime::start_sessions(actors::session_options o) {
  if (context_.tokens == 0)
    set_context();
  o.limits.context = context_.tokens;
  o.kv = kv_format();
  o.chunk = options_.chunk;
  if (is_placed())
    return place_sessions(std::move(o));
  LARQL_TRY(auto service, start_own_sessions(o));
  return std::unique_ptr<actors::session_provider>{std::move(service)};
}

result<std::unique_ptr<actors::session_service>>
local_runtime::start_own_sessions(const actors::session_options& wanted) {
  LARQL_TRY(auto* const system, actor_system());
  auto o = wanted;
  o.predispatch = predispatch_;
  o.sums = sums();
  o.groups = cluster_ && predispatch_ == 0 ? most_in_flight : 1;
  if (o.speculation.sources.empty() && options_.speculation.speculate != "off") {
    o.speculation = speculation_of(options_.speculation, model_.config);
    LARQL_TRY(o.speculation.sources,
              drafters_of(options_.speculation, {model_, compute(), kv_format(), context_.tokens}));
    if (auto cache = cache_directory(process_environment)) {
      o.speculation.memory = *std::move(cache) / "speculation.json";
      o.speculation.place = cluster_ ? "nodes" : "local";
    }
  }
  return actors::session_service::start(*system, model_, compute(), port(), o);
}

result<std::unique_ptr<generate::sequence>> local_runtime::new_sequence(std::uint32_t context) {
  auto o = generate::sequence_options{};
  o.kv = kv_format();
  o.max_context = options_.context != 0 ? options_.context : context;
  return generate::sequence::create(model_, kv_, o);
}

experts::expert_heat& local_runtime::count_experts() {
  // Enough for the pattern of a text to show, and little enough to change with it.
  constexpr auto window_tokens = 256u;
  const auto& c = model_.config;
  heat_ = std::make_unique<experts::expert_heat>(c.layers, c.experts, c.top_k, window_tokens);
  if (!is_placed())
    counted_ = std::make_unique<experts::counted_experts>(port(), *heat_);
  return *heat_;
}

experts::expert_port& local_runtime::port() noexcept {
  if (counted_)
    return *counted_;
  return remote_ ? static_cast<experts::expert_port&>(*remote_)
                 : static_cast<experts::expert_port&>(*local_);
}

} // namespace larql::cli
