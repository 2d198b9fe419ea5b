// Everything a command needs to run a model: instruction set, threads, weights, and the experts,
// which are on this machine or behind a shard map.

#pragma once

#include "actors/core/system.hpp"
#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/laptop/remote_sessions.hpp"
#include "actors/session/session_service.hpp"
#include "cli/laptop/context_choice.hpp"
#include "cli/laptop/dispatch_flags.hpp"
#include "cli/laptop/speculation_flags.hpp"
#include "cli/support/cluster_flags.hpp"
#include "cli/support/command.hpp"
#include "cli/support/compute_choice.hpp"
#include "cli/support/weights_identity.hpp"
#include "runtime/experts/expert_heat.hpp"
#include "runtime/experts/local_experts.hpp"
#include "runtime/generate/executor.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/quant/sum_format.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

namespace larql::cli {

/// Options of all commands that run a model.
struct runtime_options {
  std::filesystem::path vindex; ///< empty: the one the topology names
  std::string named;            ///< the model as the user named it; set by complete()
  unsigned threads = 0;         ///< 0: one per core
  cluster_flags cluster;
  std::optional<topology::cluster> nodes; ///< what the cluster flags say; see complete()
  std::string kv = "f16";
  std::uint32_t context = 0; ///< 0: chosen
  std::uint32_t chunk = 256;
  std::uint32_t chunks_in_flight = 0; ///< of a prompt, with experts on nodes; 0: chosen
  std::string places; ///< --session-at: names or addresses with commas between; "here": none
  std::vector<std::string> session_at; ///< nodes where the session is, best first; see complete()
  bool may_place = false;              ///< the command's session may be at a node
  speculation_flags speculation;       ///< of commands that declare them; else off
  dispatch_flags dispatch;
};

void add_runtime_options(command_parser& command, runtime_options& options);
/// --session-at, for commands that answer prompts.
void add_session_at(command_parser& command, runtime_options& options);

/// Reads the cluster file or shard map, takes the model from it if none was given, and makes of the
/// model the directory of a vindex.
[[nodiscard]] result<void> complete(runtime_options& options);

class local_runtime {
public:
  /// Opens the vindex and connects to the nodes, until `stop`. If the session is to be at a node,
  /// that waits until it is needed. @pre complete(options)
  [[nodiscard]] static result<std::unique_ptr<local_runtime>> start(const runtime_options& options,
                                                                    const std::stop_token& stop);

  [[nodiscard]] const gemma4::model& model() const noexcept { return model_; }
  [[nodiscard]] kernels::compute compute() noexcept { return {*kernels_, pool_}; }
  [[nodiscard]] const runtime_options& options() const noexcept { return options_; }
  [[nodiscard]] generate::executor& executor() noexcept { return *executor_; }
  [[nodiscard]] gemma4::kv_format kv_format() const;
  /// For what the options, else the model and the memory say; surprises are told on stderr.
  [[nodiscard]] result<std::unique_ptr<generate::sequence>> new_conversation();
  /// What the last new_conversation() took.
  [[nodiscard]] const context_choice& context() const noexcept { return context_; }
  /// For `context` tokens, or as many as the options say.
  [[nodiscard]] result<std::unique_ptr<generate::sequence>> new_sequence(std::uint32_t context);

  /// A session service over this model, for commands of one user; `o` says its limits. The context
  /// is chosen as by new_conversation(); the format of keys and values, the chunk, the groups and,
  /// unless `o` has drafters, speculation are the command's. Nothing else may compute while the
  /// service lives.
  [[nodiscard]] result<std::unique_ptr<actors::session_provider>>
  start_sessions(actors::session_options o);
  /// The session is at a node: nothing is computed here, unless no node is left.
  [[nodiscard]] bool is_placed() const noexcept { return !options_.session_at.empty(); }
  /// Chooses the context, and tells surprises on stderr, before start_sessions() does.
  void set_context();

  /// As in generate::executor_options; 0 until the model is open.
  [[nodiscard]] std::uint32_t predispatch() const noexcept { return predispatch_; }
  /// Of nodes' answers, which are approximate unless it is exact.
  [[nodiscard]] quant::sum_format sums() const noexcept {
    return options_.nodes ? options_.nodes->sums : quant::sum_format::exact;
  }

  /// Where the experts are computed.
  [[nodiscard]] experts::expert_port& port() noexcept;

  /// The actors of this process; made at the first call if all experts are local.
  [[nodiscard]] result<caf::actor_system*> actor_system();

  /// Bytes of expert weights that one token reads here; 0 when experts are on nodes.
  [[nodiscard]] std::uint64_t expert_bytes_per_token() const;

  /// Counts from now on which experts tokens use. Before start_sessions().
  experts::expert_heat& count_experts();

  /// Who is connected; null when all experts are local.
  [[nodiscard]] const actors::cluster* nodes() const noexcept { return cluster_.get(); }
  [[nodiscard]] const std::filesystem::path& vindex() const noexcept { return options_.vindex; }

private:
  local_runtime(const runtime_options& options, const kernels::kernel_set& k);
  [[nodiscard]] result<void> open(const std::stop_token& stop);
  [[nodiscard]] result<std::unique_ptr<actors::session_service>>
  start_own_sessions(const actors::session_options& o);
  // At a node: placed_runtime.cpp
  [[nodiscard]] result<std::unique_ptr<actors::session_provider>>
  place_sessions(actors::session_options o);
  [[nodiscard]] result<std::vector<topology::shard_url>> places() const;
  [[nodiscard]] topology::security protection() const;
  [[nodiscard]] bool can_compute() const;
  [[nodiscard]] result<void> open_local_experts();
  [[nodiscard]] actors::own_sums_fn own_sums() const;
  [[nodiscard]] result<void> connect_nodes(const topology::cluster& c, const std::stop_token& stop);

  runtime_options options_;
  std::stop_token stop_;
  context_choice context_;
  const kernels::kernel_set* kernels_;
  compute_pool pool_;
  gemma4::model model_;
  std::uint32_t predispatch_ = 0;

  // Local experts.
  std::optional<experts::expert_bank> bank_;
  std::unique_ptr<experts::local_experts> local_;

  // What the nodes' experts are compared with.
  std::shared_ptr<weights_identity> weights_;
  std::jthread digests_;
  // Where experts are counted on their way to either.
  std::unique_ptr<experts::expert_heat> heat_;
  std::unique_ptr<experts::counted_experts> counted_;

  // Actors: those of remote experts, and of sessions; destroyed in reverse order, the system last.
  std::unique_ptr<actors::system_config> system_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<actors::cluster> cluster_;
  std::unique_ptr<actors::remote_experts> remote_;

  std::unique_ptr<generate::executor> executor_;
  std::shared_ptr<gemma4::kv_pool> kv_ = gemma4::kv_pool::create();
  std::unique_ptr<actors::session_service> own_sessions_; ///< when no node was left
};
} // namespace larql::cli
