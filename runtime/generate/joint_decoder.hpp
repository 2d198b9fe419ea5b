// One token for each of several sessions in one pass: the weights are read once for all of them,
// and a layer's experts are asked once.
//
// Numerics  Each session gets the bits that it gets alone.
// Owner     Owns its buffers; borrows model, compute, experts and, during a call, the sessions.
// Threads   One caller.
// Failure   A failed pass leaves every session as it was.

#pragma once

#include "runtime/generate/session.hpp"

namespace larql::generate {

class joint_decoder {
public:
  joint_decoder(const gemma4::model& model, kernels::compute compute,
                experts::expert_port& experts);

  /// Appends tokens[i] to *sessions[i], which are distinct sessions of the same model. Afterwards
  /// each session's last_logits() belongs to its token; logits() has them all at once.
  /// Fails with `usage` if a token is outside the vocabulary or a context is full.
  [[nodiscard]] result<void> append(std::span<session* const> sessions,
                                    std::span<const std::uint32_t> tokens);

  /// [sessions][vocab] of the last append(). @pre it succeeded
  [[nodiscard]] result<std::span<const float>> logits();

  /// Time spent in the forward pass so far.
  [[nodiscard]] const gemma4::phase_times& times() const noexcept { return forward_.times(); }

  /// Asked once per layer; true makes a running append end with errc::cancelled.
  std::function<bool()> cancelled;

private:
  gemma4::forward forward_;
  std::vector<gemma4::sequence_part> parts_;
};

} // namespace larql::generate
