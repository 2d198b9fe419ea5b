// Drafts of a text that is known, right as often as is wanted: what benchmarks use in the place of
// a model whose texts mean something.
//
// Whether a draft is right depends on its position in the text alone, as by dice: the same text is
// drafted the same way in every run.
//
// Threads   One: the thread that runs passes.

#pragma once

#include "runtime/speculation/drafter.hpp"

#include <vector>

namespace larql::speculation {

class script_source final : public drafter_source {
public:
  /// `text` is what the answers will be, prompt included; a draft is right with the probability
  /// `right`. @pre 0 <= right <= 1; tokens are below `vocab`, which is at least 2
  script_source(std::vector<std::uint32_t> text, std::uint32_t vocab, double right,
                std::uint64_t seed = 1)
      : text_(std::move(text)), vocab_(vocab), right_(right), seed_(seed) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "script"; }
  [[nodiscard]] std::unique_ptr<drafter> begin(std::string_view client) override;

private:
  class own_drafter;

  std::vector<std::uint32_t> text_;
  std::uint32_t vocab_;
  double right_;
  std::uint64_t seed_;
};

} // namespace larql::speculation
