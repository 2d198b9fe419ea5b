// Runs a model for any number of clients: the session service of a process.
//
//     front ends ── session_client ──► actor: admits, cancels, counts
//                                        │ admitted requests        ▲ what has ended
//                                        ▼                          │
//                                      pass thread: plan → pass → logits → tokens → events
//                                        │
//                                      executor, sequences, prefix cache
//
// Owner     Owns actor, pass thread, executor, sequences and caches. Borrows the system, the model,
//           the compute pool and the expert port, which outlive it. Destruction cancels what runs.
// Threads   start() and destruction by one owner; clients by any thread.

#pragma once

#include "actors/session/limits.hpp"
#include "actors/session/session_provider.hpp"
#include "runtime/experts/expert_port.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/quant/sum_format.hpp"
#include "runtime/speculation/speculator.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace larql::actors {

/// Cached keys and values are of use where all of this is the same.
struct cache_identity {
  std::string weights;   ///< fingerprint of the weights
  std::string tokenizer; ///< hash of the tokenizer's file
  std::string exactness; ///< "exact", or what rounds on the way to the experts and back
};

/// Prompts on disk. An empty directory: none.
struct disk_cache_options {
  std::filesystem::path dir;
  std::uint64_t max_bytes = std::uint64_t{16} << 30;
  std::chrono::hours expires{24 * 7}; ///< after the last use
};

struct session_options {
  session_limits limits;
  gemma4::kv_format kv = gemma4::kv_format::f16;
  std::uint32_t chunk = 256; ///< most prompt tokens of a pass
  std::uint32_t groups = 1;  ///< most of sequences that take turns; more where experts are on nodes
  bool share_prefix = false; ///< clients see each other's cached prefixes
  double latency_factor = 3; ///< how much longer tokens may take while prompts are read
  speculation::options speculation;
  /// As in generate::executor_options. What is computed is then approximate: it stays in its
  /// session or ends with its answer, and is neither found by later prompts nor stored. No drafts
  /// are tried, because the rows of a pass would change what it gives.
  std::uint32_t predispatch = 0;
  /// Of nodes' answers. Unless it is exact, what is computed is approximate: later prompts of this
  /// service find it, and nothing is stored.
  quant::sum_format sums = quant::sum_format::exact;
  cache_identity identity; ///< needed for `disk`
  disk_cache_options disk;
  /// Tokens, keys and values are overwritten before their memory is given back.
  bool wipes = false;
};

class session_service final : public session_provider {
public:
  /// Fails with `usage` if the options make no sense.
  [[nodiscard]] static result<std::unique_ptr<session_service>>
  start(caf::actor_system& sys, const gemma4::model& model, kernels::compute compute,
        experts::expert_port& experts, const session_options& options);
  ~session_service() override;

  [[nodiscard]] session_client client() const override;
  [[nodiscard]] const session_options& options() const noexcept override;

  [[nodiscard]] result<std::uint32_t> save_session(session_id session, std::uint32_t tokens,
                                                   const std::filesystem::path& file,
                                                   const cache_identity& identity) const override;
  [[nodiscard]] result<std::vector<std::uint32_t>>
  load_session(session_id session, const std::filesystem::path& file,
               const cache_identity& identity) const override;

private:
  struct parts;
  explicit session_service(std::unique_ptr<parts> p);
  std::unique_ptr<parts> parts_;
};

} // namespace larql::actors
