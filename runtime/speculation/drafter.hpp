// Who guesses how a text goes on. What a drafter says decides about time alone: every guess is
// verified, and an answer is the same with any drafter and with none.
//
// Owner     A source belongs to a session service, a drafter to one answer; the source outlives
//           its drafters.
// Threads   One: the thread that runs passes.

#pragma once

#include "runtime/generate/draft_tree.hpp"
#include "runtime/generate/sequence.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace larql::speculation {

/// What is known of a text that drafts are wanted for.
struct drafted_text {
  /// Prompt and answer so far: the text of the last call and what has come since.
  std::span<const std::uint32_t> tokens;
  /// What the model has read of it: all but the last token. Null: not known.
  const generate::sequence* read = nullptr;
};

class drafter {
public:
  virtual ~drafter() = default;

  /// Replaces `out` by at most `most` drafts behind `text`. Parents stand before their children,
  /// and likely drafts before less likely ones. None is an answer.
  virtual void propose(const drafted_text& text, std::size_t most, generate::draft_tree& out) = 0;
};

class drafter_source {
public:
  virtual ~drafter_source() = default;

  /// What reports call it; it lives as long as the process.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Its guesses take so long that it is only asked for them while that pays.
  [[nodiscard]] virtual bool takes_time() const noexcept { return false; }
  /// For one answer. `client` is whose it is: nothing of other clients' texts may show.
  [[nodiscard]] virtual std::unique_ptr<drafter> begin(std::string_view client) = 0;
  /// An answer of this client has ended.
  virtual void learn(std::string_view client, std::span<const std::uint32_t> answer) {
    (void) client;
    (void) answer;
  }
};

} // namespace larql::speculation
