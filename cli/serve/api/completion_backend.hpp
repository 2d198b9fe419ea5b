// What answers the requests of the API: the session service in a server, a fake in tests.
//
// Threads   Any number of threads may call it at once.
// Blocking  Rendering and tokenising a long prompt takes milliseconds; nothing here computes.

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/completion_event.hpp"
#include "cli/serve/api/completion_request.hpp"
#include "cli/serve/api/model_facts.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace larql::serve {

/// A request under way. Dropping it cancels what has not ended; no event comes afterwards, except
/// one that is being delivered.
class completion {
public:
  virtual ~completion() = default;
  /// The client is slow: no further tokens until resume(). Any thread.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

/// Takes events one after the other, on threads that must not be kept.
using completion_event_fn = std::function<void(completion_event)>;

class completion_backend {
public:
  virtual ~completion_backend() = default;

  [[nodiscard]] virtual const model_facts& model() const = 0;

  /// Admits a request or says why not. Events may come before this returns.
  [[nodiscard]] virtual api_result<std::unique_ptr<completion>>
  start(completion_request request, completion_event_fn on_event) = 0;

  /// Tokens of the prompt that a request would have.
  [[nodiscard]] virtual api_result<std::uint64_t>
  count_tokens(const completion_request& request) = 0;
  /// The prompt itself, for people.
  [[nodiscard]] virtual api_result<std::string> prompt_text(const completion_request& request) = 0;

  struct tokenize_options {
    bool add_bos = false;
    bool control_tokens = true; ///< text that spells a control token becomes it
  };
  [[nodiscard]] virtual api_result<std::vector<std::uint32_t>>
  tokenize(const std::string& text, const tokenize_options& options) = 0;
  /// The bytes of one token, which may be a part of a character.
  [[nodiscard]] virtual std::string piece(std::uint32_t token) = 0;
  [[nodiscard]] virtual api_result<std::string>
  detokenize(std::span<const std::uint32_t> tokens) = 0;
};

} // namespace larql::serve
