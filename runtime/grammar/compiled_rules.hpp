// What constraint_engine makes of the rules of a request, and what all of its constraints share.
// Inside of constraint.cpp and constraint_engine.cpp.

#pragma once

#include "runtime/grammar/compiled_grammar.hpp"
#include "runtime/grammar/mask_cache.hpp"
#include "runtime/grammar/output_rules.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace larql::grammar {

/// The control tokens that structure an output, as far as the tokenizer has them.
struct control_tokens {
  std::optional<std::uint32_t> channel_begin, channel_end, call_begin, call_end;
};

/// Of one engine.
struct engine_core {
  explicit engine_core(const text::tokenizer& tokens, std::size_t mask_bytes);

  std::shared_ptr<const vocabulary_trie> trie;
  control_tokens control;
  std::vector<std::uint32_t> stops; // ascending
  mask_cache masks;
  mask_ptr thought; // what a thought may go on with, and what ends it
};

struct compiled_rules {
  output_rules rules;
  std::shared_ptr<engine_core> core;
  std::uint64_t id = 0; // of these rules, in keys of masks

  std::unique_ptr<compiled_grammar> content; // of a form that is not text
  std::unique_ptr<compiled_grammar> calls;   // behind <|tool_call>, up to <tool_call|>

  // Masks that do not depend on a place; null: everything.
  mask_ptr text; // where text is free
  mask_ptr end_thought;
  mask_ptr first_call; // where a call must come
  mask_ptr first_call_or_thought;
  mask_ptr after_call;
  mask_ptr end; // only the tokens that end the output

  [[nodiscard]] bool must_call() const noexcept { return rules.choice == tool_choice::required; }
  [[nodiscard]] bool may_call() const noexcept {
    return !rules.tools.empty() && rules.choice != tool_choice::none;
  }
};

} // namespace larql::grammar
