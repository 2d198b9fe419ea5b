#include "cli/laptop/local_runtime.hpp"

#include "actors/net/model_match.hpp"
#include "cli/support/model_path.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"

#include <cstdlib>
#include <thread>

namespace larql::cli {

void add_runtime_options(CLI::App& command, runtime_options& o) {
  command.add_option(
      "vindex", o.vindex,
      "Directory of the model, or hf://OWNER/NAME (default: the one that --topology names)");
  command.add_option("-t,--threads", o.threads, "Threads for computing (default: one per core)");
  add_cluster_flags(command, o.cluster);
  command.add_option("--kv", o.kv, "Numbers of the KV cache: f16 or f32")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str();
  command.add_option("--context", o.context, "Most tokens of prompt and answer together");
  command.add_option("--chunk", o.chunk, "Prompt tokens per pass")->capture_default_str();
}

local_runtime::local_runtime(const runtime_options& options, const kernels::kernel_set& k)
    : options_(options), kernels_(&k), pool_(choose_threads(options.threads)) {}

result<void> complete(runtime_options& options) {
  LARQL_TRY(options.nodes, read_cluster(options.cluster));
  if (options.vindex.empty() && options.nodes)
    options.vindex = options.nodes->model;
  if (options.vindex.empty())
    return fail(errc::usage, "no model: give a vindex, or a topology that names one");
  LARQL_TRY(options.vindex, resolve_model(options.vindex.string(),
                                          options.nodes ? laptop_needs() : hub::pull_request{}));
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
  LARQL_TRY(out->model_, gemma4::model::load(options.vindex));
  LARQL_TRY_VOID(options.nodes ? out->connect_nodes(*options.nodes, stop)
                               : out->open_local_experts());
  LARQL_TRY(out->executor_,
            generate::executor::create(out->model_, out->compute(), out->port(), {options.chunk}));
  return out;
}

result<void> local_runtime::open_local_experts() {
  const auto& c = model_.config;
  LARQL_TRY(bank_, experts::expert_bank::open(options_.vindex, c,
                                              {{0, c.layers - 1}, {0, c.experts - 1}}));
  local_ = std::make_unique<experts::local_experts>(compute(), *bank_);
  return {};
}

result<void> local_runtime::connect_nodes(const topology::cluster& c, const std::stop_token& stop) {
  LARQL_TRY(const auto weights, vindex::name_weights(options_.vindex, model_.config));
  system_config_ = std::make_unique<actors::system_config>();
  system_ = std::make_unique<caf::actor_system>(*system_config_);
  LARQL_TRY(cluster_,
            actors::cluster::connect(
                *system_, {c, actors::identity_of(model_.config, weights), "larql", stop}));
  remote_ = std::make_unique<actors::remote_experts>(
      *system_, cluster_->router(), cluster_->formats(), compute(), cluster_->limits());
  return {};
}

std::uint64_t local_runtime::expert_bytes_per_token() const {
  auto sum = std::uint64_t{0};
  if (bank_)
    for (auto l = 0u; l < model_.config.layers; ++l)
      sum += model_.config.top_k * bank_->expert_bytes(l);
  return sum;
}

result<std::unique_ptr<generate::sequence>> local_runtime::new_sequence(std::uint32_t context) {
  auto o = generate::sequence_options{};
  o.kv = options_.kv == "f32" ? gemma4::kv_format::f32 : gemma4::kv_format::f16;
  o.max_context = options_.context != 0 ? options_.context : context;
  return generate::sequence::create(model_, kv_, o);
}

experts::expert_port& local_runtime::port() noexcept {
  return remote_ ? static_cast<experts::expert_port&>(*remote_)
                 : static_cast<experts::expert_port&>(*local_);
}

} // namespace larql::cli
