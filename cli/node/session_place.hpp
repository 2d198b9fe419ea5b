// The session service of a node: this machine's own experts and those of other nodes, the laptop's
// part of the model, and memory for keys and values. Started when the first laptop opens a session.
//
// Owner     Its caller, who keeps bank and actor system alive longer, and ends the desk before
//           this, which it asks.
// Threads   start() by one thread at a time.

#pragma once

#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/node/session_desk.hpp"
#include "actors/session/session_service.hpp"
#include "cli/node/settings.hpp"
#include "runtime/experts/combined_experts.hpp"
#include "runtime/experts/local_experts.hpp"
#include "runtime/text/generation_config.hpp"

#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

namespace larql::cli {

/// Sessions that the node holds: what the settings say, or what the model allows if they say
/// nothing. An error if sessions are wanted that cannot be: the laptop's part of the model is not
/// here, or experts are neither here nor on a node of the cluster file.
[[nodiscard]] result<std::uint32_t> sessions_of(const node_settings& s,
                                                const vindex::model_config& model,
                                                const experts::ownership& owned);

class session_place {
public:
  session_place(const node_settings& s, vindex::model_config model, kernels::compute compute,
                const experts::expert_bank& bank, const experts::ownership& owned,
                std::uint32_t sessions, caf::actor_system& sys);
  ~session_place();
  session_place(const session_place&) = delete;
  session_place& operator=(const session_place&) = delete;

  /// What the desk of the node is made with. Its functions use this.
  [[nodiscard]] actors::session_desk_options desk();

  /// Ends start() early.
  void stop() { stop_.request_stop(); }

private:
  [[nodiscard]] result<void> start();
  [[nodiscard]] result<void> start_experts();
  [[nodiscard]] actors::session_options options() const;
  [[nodiscard]] actors::session_host_ptr host();

  const node_settings& settings_;
  vindex::model_config config_;
  const kernels::kernel_set& kernels_;
  const experts::expert_bank& bank_;
  experts::ownership owned_;
  std::uint32_t sessions_;
  caf::actor_system& system_;
  std::stop_source stop_;

  // In the order in which one needs the other.
  std::unique_ptr<compute_pool> pool_;
  gemma4::model model_;
  text::tokenizer tokens_;
  text::generation_config defaults_;
  schema::session_open identity_;
  std::unique_ptr<experts::local_experts> local_;
  std::unique_ptr<actors::cluster> cluster_;
  std::unique_ptr<actors::remote_experts> remote_;
  std::unique_ptr<experts::combined_experts> combined_;
  std::unique_ptr<actors::session_service> service_;
  std::mutex mutex_;    // of thread_
  std::jthread thread_; // that runs start()
};

} // namespace larql::cli
