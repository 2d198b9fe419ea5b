// One conversation with a model: its tokens, its KV cache, and the forward pass over them.
//
// A failed or cancelled call leaves the session as it was before the chunk that failed; the next
// call goes on from there. The cache survives the loss of any number of expert nodes.
//
// Owner     Owns cache and buffers; borrows model, compute and experts.
// Threads   One caller.

#pragma once

#include "runtime/models/gemma4/forward.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/model.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace larql::generate {

struct session_options {
  gemma4::kv_format kv = gemma4::kv_format::f16;
  std::uint32_t max_context = 8192; ///< tokens
  std::uint32_t chunk = 256;        ///< prefill tokens per pass
};

class session {
public:
  [[nodiscard]] static result<std::unique_ptr<session>> create(const gemma4::model& model,
                                                               kernels::compute compute,
                                                               experts::expert_port& experts,
                                                               const session_options& options);

  /// Tokens whose keys and values are in the cache.
  [[nodiscard]] std::span<const std::uint32_t> tokens() const noexcept { return tokens_; }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return cache_.max_context(); }

  /// Appends tokens in chunks. Afterwards last_logits() belongs to the last of them.
  /// Fails with `usage` if a token is outside the vocabulary or the context is full.
  [[nodiscard]] result<void> append(std::span<const std::uint32_t> tokens);

  /// Appends tokens and hands the logits of every position, in order, to `take`.
  [[nodiscard]] result<void> append(std::span<const std::uint32_t> tokens,
                                    const std::function<void(std::span<const float>)>& take);

  /// [vocab], of the last token. @pre something was appended since the last truncate()
  [[nodiscard]] result<std::span<const float>> last_logits();

  /// Time spent in the forward pass so far.
  [[nodiscard]] const gemma4::phase_times& times() const noexcept { return forward_.times(); }

  /// Forgets all but the first tokens, as far as the sliding windows still hold what is needed to
  /// go on from there: keeps `count` tokens, or none if it cannot. Returns what is kept.
  std::uint32_t truncate(std::uint32_t count);

  /// Asked once per layer; true makes a running append end with errc::cancelled.
  std::function<bool()> cancelled;

private:
  friend class joint_decoder; // appends to several sessions in one pass

  session(const gemma4::model& model, kernels::compute compute, experts::expert_port& experts,
          gemma4::kv_cache cache);

  [[nodiscard]] result<void> check(std::span<const std::uint32_t> tokens) const;

  const gemma4::model& model_;
  gemma4::kv_cache cache_;
  gemma4::forward forward_;
  std::vector<std::uint32_t> tokens_;
  std::uint32_t written_ = 0;   // the furthest position ever written; bounds truncate()
  std::vector<float> last_row_; // final hidden row of the last token; a failed chunk leaves it
};

} // namespace larql::generate
