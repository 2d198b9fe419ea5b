// What is asked of the session service: a prompt, and how each of its answers is to be generated.
//
// A request without answers only reads its prompt ahead. Answers of one request share the prompt's
// keys and values. Whatever decides about tokens (sampling, seed and index, bias, masks, stops,
// logprobs, the limit of tokens) is inside generate::generation, which the front end makes: the
// service takes its steps and passes on what they give.
//
// Numerics  The ids of an answer follow from tokens, weights and generation alone: not from other
//           requests, the prefix cache, batching, or the front end.
// Threads   Plain values. The service's thread uses and moves them after they were handed over.

#pragma once

#include "runtime/generate/generation.hpp"
#include "runtime/generate/random.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace larql::actors {

/// A session that is open, told apart in this process. 0: none.
using session_id = std::uint64_t;
/// A request that was admitted, told apart in this process.
using session_request_id = std::uint64_t;

/// Where later prompts are likely to part from this one: positions of the whole prompt, behind the
/// last token that both will have. Hints cost memory and decide nothing else. In a prompt without
/// any hint a boundary is kept every 2,048 tokens.
struct cache_hints {
  std::uint32_t system_end = 0;         ///< of the system and tools block; 0: there is none
  std::vector<std::uint32_t> turn_ends; ///< of each turn behind it, ascending
};

struct session_request {
  /// Token ids of the whole prompt, or those to append to the session.
  std::vector<std::uint32_t> tokens;
  /// One for each answer that is wanted (`n`), in the order of their numbers; choice_seed() tells
  /// their seeds apart. Inside a session at most one.
  std::vector<generate::generation> answers;
  /// Who asks: an API key's identity, empty if there are no keys. Requests of one client weigh as
  /// one when rows are shared out, and see that client's cached prefixes.
  std::string client;
  cache_hints hints;
  /// The session to go on with; 0: a request of its own.
  session_id session = 0;
  /// Tokens of the session to keep before `tokens` are appended: fewer than all of them goes back.
  std::uint32_t keep = ~0u;
};

/// The seed of an answer of a request with several: the first has the request's own.
[[nodiscard]] constexpr std::uint64_t choice_seed(std::uint64_t seed, std::uint64_t choice) {
  // splitmix64's increment would only shift the same random numbers (generate/random.hpp).
  return choice == 0 ? seed : generate::random_bits(seed ^ 0x6c6172716c63686fu, choice);
}

} // namespace larql::actors
