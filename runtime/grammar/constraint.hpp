// Keeps an output to its rules: says before every token which ones may come.
//
//   auto engine = constraint_engine::create(tokenizer, stop_tokens);   // once for a model
//   LARQL_TRY(auto limits, engine->compile(rules));                    // once for a request
//   options.constraint = limits;                                       // generation does the rest
//
// A schema becomes a network of automata over bytes with a stack (network.hpp); the tokens of the
// vocabulary stand in a trie (vocabulary_trie.hpp) that is walked once for every state of the
// automaton that occurs, and the mask is kept.
//
// What is not constrained: thoughts, and text without a schema. Thoughts may come before content
// that is constrained. Where nothing is constrained the mask is null and costs nothing.
//
// Keywords of JSON schema: see schema.hpp; others are refused by name with errc::unsupported.
//
// Cost      compile: an ordinary schema takes less than 50 ms, a hostile one is bounded. A mask
//           that is kept: microseconds. A new one: at most 10 ms.
// Memory    Trie: about 20 MB. Masks: at most `mask_bytes` for all requests together.
// Threads   An engine may be used by several threads. A constraint is a value of one owner;
//           copies share what was compiled.

#pragma once

#include "runtime/grammar/machine.hpp"
#include "runtime/grammar/output_rules.hpp"
#include "runtime/grammar/token_mask.hpp"
#include "runtime/text/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace larql::grammar {

class constraint_engine;
struct compiled_rules;
struct engine_core;

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
  /// What it was compiled from; null if it never allowed less than everything.
  [[nodiscard]] const output_rules* rules() const noexcept;

  /// The same rules and the same place in them.
  friend bool operator==(const constraint&, const constraint&) = default;

private:
  friend class constraint_engine;

  enum class phase : std::uint8_t {
    off,   ///< nothing is constrained any more
    start, ///< nothing has come, or thoughts that are over
    thought,
    text,
    content, ///< of a form; place_ is in its grammar
    call,    ///< place_ is in the grammar of calls
    after_call
  };

  explicit constraint(std::shared_ptr<const compiled_rules> rules);
  [[nodiscard]] bool may_think() const noexcept;
  [[nodiscard]] mask_ptr grammar_mask() const;
  void accept_at_start(std::uint32_t token);
  void begin_call();
  void advance(std::uint32_t token);

  std::shared_ptr<const compiled_rules> rules_;
  phase phase_ = phase::off;
  bool thought_is_over_ = false;
  std::size_t thought_tokens_ = 0;
  place place_;
};

struct engine_options {
  std::size_t mask_bytes = std::size_t{64} << 20;
  std::size_t compiled = 16; ///< sets of rules that are kept, to be found again by equal rules
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

  /// Bytes of the masks that are kept.
  [[nodiscard]] std::size_t mask_bytes() const;

private:
  constraint_engine(const text::tokenizer& tokens, std::vector<std::uint32_t> stop_tokens,
                    const engine_options& options);

  [[nodiscard]] result<std::shared_ptr<const compiled_rules>> make(const output_rules& rules);

  std::shared_ptr<engine_core> core_;
  std::size_t max_compiled_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const compiled_rules>> compiled_; // the last used ones last
  std::uint64_t next_id_ = 1;
};

} // namespace larql::grammar
