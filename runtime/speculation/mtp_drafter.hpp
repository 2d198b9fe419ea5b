// Guesses by the drafter that lies in the model's vindex: it looks at the model's own keys and
// values, and begins with the final hidden row that gave the last token.
//
// A chain: each guess is the likeliest token behind the one before it, as long as it is sure enough
// of all of them together.
//
// Blocking  propose() computes: a step of the drafter's network for each draft.
// Owner     A source owns the drafter's weights; the model outlives it. Drafters of answers own
//           nothing: what they look at is the model's.
// Errors    What fails gives no drafts.
// Threads   One: the thread that runs passes, whose pool it uses.

#pragma once

#include "runtime/models/gemma4/mtp_network.hpp"
#include "runtime/speculation/drafter.hpp"

#include <memory>
#include <vector>

namespace larql::speculation {

class mtp_source final : public drafter_source {
public:
  struct options {
    float least_chance = 0.1f; ///< of a draft with all before it
  };

  /// Opens the drafter of the model's vindex. Fails with `usage` if it has none.
  [[nodiscard]] static result<std::shared_ptr<mtp_source>>
  open(const gemma4::model& model, kernels::compute compute, const options& o);

  [[nodiscard]] std::string_view name() const noexcept override { return "mtp"; }
  [[nodiscard]] bool takes_time() const noexcept override { return true; }
  [[nodiscard]] std::unique_ptr<drafter> begin(std::string_view client) override;

private:
  class own_drafter;

  mtp_source(const gemma4::model& model, vindex::drafter_config config,
             vindex::drafter_weights weights, kernels::compute compute, const options& o)
      : compute_(compute),
        options_(o),
        config_(std::move(config)),
        weights_(std::move(weights)),
        network_(model, config_, weights_, compute) {}

  kernels::compute compute_;
  options options_;
  vindex::drafter_config config_;
  vindex::drafter_weights weights_;
  gemma4::mtp_network network_;
  std::vector<float> terms_; // scratch
};

} // namespace larql::speculation
