// Generates one answer, step by step: logits in, tokens and text out, until the answer ends.
//
// A step takes the logits of one row, or of several when drafts were tried: row 0 belongs to the
// next token, row i + 1 to the one behind draft i. It returns the tokens that plain decoding would
// give, as far as a branch of the drafts agrees with them.
//
// Numerics  The i-th token of a request draws the i-th random number of its seed, however many
//           tokens a step returned; a request that goes on elsewhere begins with the index it has
//           reached.
// Owner     A value: it can be copied, put back and compared. Refers to a tokenizer that must live
//           longer, if it makes text.
// Threads   One at a time.

#pragma once

#include "runtime/generate/draft_tree.hpp"
#include "runtime/generate/logprobs.hpp"
#include "runtime/generate/sampler.hpp"
#include "runtime/grammar/constraint.hpp"
#include "runtime/text/output_reader.hpp"
#include "runtime/text/stop_matcher.hpp"
#include "runtime/text/utf8_stream.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace larql::generate {

enum class end_reason : std::uint8_t {
  none,         ///< the answer goes on, or a failure has ended it
  stop_token,   ///< the model ended its answer
  stop_text,    ///< a stop text came
  max_tokens,   ///< the limit of tokens was reached
  context_full, ///< no token fits the context any more
  stopped       ///< the caller asked to stop
};

/// The answer has not ended by itself: it may stop in the middle of a character, and could go on.
[[nodiscard]] constexpr bool is_cut(end_reason reason) noexcept {
  return reason == end_reason::max_tokens || reason == end_reason::context_full ||
         reason == end_reason::stopped;
}

struct generation_options {
  sampling_options sampling;
  std::size_t max_tokens = 64;
  std::vector<std::uint32_t> stop_tokens;
  /// Need a reader. With an output_reader they are looked for in content alone.
  std::vector<std::string> stop_texts;
  std::uint64_t first_index = 0; ///< of the first token; not 0 for a request that was resumed
  /// Which tokens may come; by default all.
  grammar::constraint constraint{};
  /// Tokens that are chosen whatever the logits say, as far as they go: for measurements.
  std::vector<std::uint32_t> script{};
  /// Whether steps tell logarithms of probabilities, and of how many likely tokens.
  std::optional<std::uint32_t> logprobs{};

  friend bool operator==(const generation_options&, const generation_options&) = default;
};

class generation {
public:
  /// `reader` makes the text; without one there is none. @pre check_options(options.sampling)
  explicit generation(generation_options options,
                      std::optional<text::utf8_stream> reader = std::nullopt);
  /// `reader` tells thoughts, content and calls apart: steps give events.
  generation(generation_options options, text::output_reader reader);

  /// What a step has given.
  struct step_result {
    std::vector<std::uint32_t> tokens; ///< neither a stop token nor anything behind a stop
    std::string text; ///< what is certain to be shown; with an output_reader, content alone
    /// With an output_reader: all that is certain, content included.
    std::vector<text::output_event> events{};
    /// With an output_reader: what each of `tokens` belongs to.
    std::vector<text::output_part> parts{};
    /// If they were asked for: of each of `tokens`.
    std::vector<token_logprobs> logprobs{};
    /// Drafts that the first of `tokens` were, each the parent of the next.
    std::vector<std::uint32_t> accepted{};
  };
  /// @pre not ended(); logits are [drafts.size() + 1][vocab]
  [[nodiscard]] step_result step(std::span<const float> logits, const draft_tree& drafts,
                                 sampling_scratch& scratch);
  /// Leaves out of a tree what cannot be of use here: tokens that may not come, what ends the
  /// answer, and what lies behind its last token. Whatever comes behind these goes with them.
  void prune(draft_tree& drafts) const;

  /// A token that was chosen elsewhere by the same options: all of step() but the choice. A token
  /// that its constraint does not allow ends the constraint. @pre not ended()
  [[nodiscard]] step_result take(std::uint32_t token);
  /// The answer has ended elsewhere, for this reason; none: it failed. Without effect after an end.
  void end(end_reason reason) noexcept;

  /// At most `tokens` more fit the context: the last of them is not read again.
  void set_room(std::size_t tokens);
  /// The answer ends here, because of the caller.
  void stop() noexcept;
  /// What was held back: text and events; once, after the end. Of an answer that was cut, without
  /// the character that was not finished.
  [[nodiscard]] step_result finish();
  /// The text of finish().
  [[nodiscard]] std::string flush() { return finish().text; }
  /// The reader, for its counts; null without an output_reader.
  [[nodiscard]] const text::output_reader* reader() const noexcept {
    return reader_ ? &*reader_ : nullptr;
  }
  /// What makes the text; null without one.
  [[nodiscard]] const text::utf8_stream* stream() const noexcept {
    return stream_ ? &*stream_ : nullptr;
  }
  /// Which of `stop_texts` has ended the answer; null: none.
  [[nodiscard]] const std::string* stop_text() const noexcept { return matcher_.found(); }

  [[nodiscard]] bool ended() const noexcept { return reason_ != end_reason::none; }
  [[nodiscard]] end_reason reason() const noexcept { return reason_; }
  /// Tokens given so far.
  [[nodiscard]] std::size_t tokens() const noexcept { return count_; }
  /// Index of the next token in its request.
  [[nodiscard]] std::uint64_t index() const noexcept { return options_.first_index + count_; }
  /// As given, but for the constraint, which moves on with the tokens.
  [[nodiscard]] const generation_options& options() const noexcept { return options_; }
  [[nodiscard]] const grammar::constraint& constraint() const noexcept { return constraint_; }

  friend bool operator==(const generation&, const generation&) = default;

private:
  void check_limits() noexcept;
  [[nodiscard]] bool is_stop_token(std::uint32_t token) const noexcept;
  void add(std::uint32_t token, step_result& out);
  [[nodiscard]] bool never_comes(std::uint32_t token) const noexcept;
  void read(std::uint32_t token, step_result& out);
  void give(std::vector<text::output_event> events, step_result& out);
  void give_content(std::string text, step_result& out) const;

  generation_options options_;
  sampler sampler_;
  grammar::constraint constraint_;
  std::optional<text::utf8_stream> stream_;
  std::optional<text::output_reader> reader_;
  text::stop_matcher matcher_;
  std::size_t room_ = ~std::size_t{0};
  std::size_t count_ = 0;
  end_reason reason_ = end_reason::none;
};

} // namespace larql::generate
