// Drafts of a text that is known: the right tokens here and there, wrong ones beside and behind
// them, in trees of all shapes. The same for the same seed and place.

#pragma once

#include "runtime/generate/draft_tree.hpp"
#include "runtime/generate/random.hpp"
#include "runtime/speculation/drafter.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace larql::test {

/// At most `most` drafts for what follows `at` tokens of `whole`.
inline generate::draft_tree noisy_tree(std::span<const std::uint32_t> whole, std::size_t at,
                                       std::size_t most, std::uint32_t vocab, std::uint64_t seed) {
  auto out = generate::draft_tree{};
  auto draw = [&, i = std::uint64_t{at} << 16](std::uint64_t below) mutable {
    return generate::random_bits(seed, i++) % below;
  };
  auto right = std::int32_t{-1}; // the last draft of the right branch
  auto depth = at;
  const auto wanted = draw(most + 1);
  while (out.size() < wanted) {
    const auto token = static_cast<std::uint32_t>(draw(vocab));
    const auto kind = draw(4);
    if (kind != 0 && depth < whole.size())
      right = out.add(whole[depth++], right, 0.5f);
    else if (kind == 1 && !out.empty())
      out.add(token, static_cast<std::int32_t>(draw(out.size())), 0.1f);
    else
      out.add(token, right, 0.25f);
  }
  return out;
}

/// Knows some texts, prompts and answers.
class noisy_source final : public speculation::drafter_source {
public:
  noisy_source(std::vector<std::vector<std::uint32_t>> texts, std::uint32_t vocab,
               std::uint64_t seed)
      : texts_(std::move(texts)), vocab_(vocab), seed_(seed) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "noisy"; }
  [[nodiscard]] std::unique_ptr<speculation::drafter> begin(std::string_view) override {
    return std::make_unique<own_drafter>(*this);
  }

private:
  class own_drafter final : public speculation::drafter {
  public:
    explicit own_drafter(const noisy_source& from) : from_(from) {}
    void propose(const speculation::drafted_text& what, std::size_t most,
                 generate::draft_tree& out) override {
      const auto text = what.tokens;
      out = {};
      for (const auto& whole : from_.texts_)
        if (whole.size() > text.size() && std::equal(text.begin(), text.end(), whole.begin()))
          out = noisy_tree(whole, text.size(), most, from_.vocab_, from_.seed_);
    }

  private:
    const noisy_source& from_;
  };

  std::vector<std::vector<std::uint32_t>> texts_;
  std::uint32_t vocab_;
  std::uint64_t seed_;
};

} // namespace larql::test
