// The drafter's forward pass once more, as docs/numerics.md says it: plain loops over doubles, from
// weights and cached keys and values taken apart number by number. It shares no code with
// models/gemma4/mtp_network.hpp but the reading of bytes.

#pragma once

#include "runtime/generate/sequence.hpp"
#include "runtime/vindex/drafter.hpp"

#include <cstdint>
#include <vector>

namespace larql::test {

class plain_drafter {
public:
  plain_drafter(const gemma4::model& target, const vindex::drafter_config& config,
                const vindex::drafter_weights& weights)
      : target_(target), config_(config), weights_(weights) {}

  /// Logits of what follows each of `tokens`, the first of which is the last of a text of which
  /// `read` holds all others, and each other one the guess before.
  [[nodiscard]] std::vector<std::vector<double>>
  logits(const generate::sequence& read, const std::vector<std::uint32_t>& tokens) const;

private:
  using numbers = std::vector<double>;

  void run_layer(std::uint32_t l, const generate::sequence& read, numbers& x) const;
  [[nodiscard]] numbers attend(std::uint32_t l, const generate::sequence& read, numbers q) const;

  const gemma4::model& target_;
  const vindex::drafter_config& config_;
  const vindex::drafter_weights& weights_;
};

} // namespace larql::test
