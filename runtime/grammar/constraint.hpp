// Keeps an output to its rules: says before every token which ones may come.
//
//   auto engine = constraint_engine::create(tokenizer, stop_tokens);   // once for a model
//   LARQL_TRY(auto limits, engine->compile(rules));                    // once for a request
//   options.constraint = limits;                                       // generation does the rest
//
// A schema becomes a network of automata over bytes with a stack (grammar.hpp); the tokens of the
// vocabulary stand in a trie (vocabulary_trie.hpp) that is walked once for every state of the
// automaton that occurs, and the mask is kept.
//
// What is not constrained: thoughts, and text without a schema. Thoughts may come before content
// that is constrained. Where nothing is constrained the mask is null and costs nothing.
//
// Keywords of JSON schema: see schema.hpp; others are refused by name with errc::unsupported.
//
// Cost      compile: an ordinary schema takes less than 50 ms, and at most limits.hpp's work. A
//           mask that is kept: microseconds. A new one: at most 10 ms.
// Memory    Trie: about 10 MB. Masks: at most `mask_bytes` for all requests together.
// Threads   An engine may be used by several threads. A constraint is a value of one owner; copies
//           share what was compiled.

#pragma once

#include "runtime/grammar/output_rules.hpp"
#include "runtime/grammar/token_mask.hpp"
#include "runtime/text/tokenizer.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace larql::grammar {

class constraint_engine;
struct compiled_rules;

/// What an output may go on with. Empty by default: with anything.
class constraint {
public:
  constraint() = default;

  /// Which tokens may come next; null: all of them. Never empty: where nothing can follow, the
  /// tokens that end the output may.
  [[nodiscard]] mask_ptr mask() const;
  /// A token was chosen. One that mask() does not allow ends the constraint: everything goes then.
  void accept(std::uint32_t token);
  /// The output could end here.
  [[nodiscard]] bool may_end() const;
  [[nodiscard]] bool is_active() const noexcept { return rules_ != nullptr; }

  /// The same rules and the same place in them.
  friend bool operator==(const constraint&, const constraint&) = default;

private:
  friend class constraint_engine;
  std::shared_ptr<const compiled_rules> rules_;
};

struct engine_options {
  std::size_t mask_bytes = std::size_t{64} << 20;
  std::size_t compiled = 64; ///< sets of rules that are kept, to be found again by equal rules
};

/// Compiles rules for one tokenizer, which must live longer.
class constraint_engine {
public:
  /// `stop_tokens` end an output (generation_config::stop).
  [[nodiscard]] static std::shared_ptr<constraint_engine>
  create(const text::tokenizer& tokens, std::vector<std::uint32_t> stop_tokens,
         const engine_options& options = {});

  /// A constraint at the begin of an output. Fails with errc::usage if the rules make no sense or
  /// can never be met, errc::unsupported naming a keyword that is not supported or a bound that is
  /// exceeded, with its place in the schema.
  [[nodiscard]] result<constraint> compile(const output_rules& rules);
};

} // namespace larql::grammar
