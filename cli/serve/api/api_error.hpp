// What went wrong with a request, as a client of the API is told: one kind, one status code, and a
// body in the shape of the protocol that was spoken.
//
// Threads   Plain values and pure functions.
// Source    The error objects of the OpenAI, Anthropic and Ollama APIs.

#pragma once

#include "cli/serve/api/json_body.hpp"

#include <cstdint>
#include <string>

namespace larql::serve {

/// Whose shapes a request and its answer have.
enum class protocol : std::uint8_t { openai, anthropic, ollama };

enum class error_kind : std::uint8_t {
  invalid,      ///< 400: the request makes no sense
  unsupported,  ///< 400: it makes sense, and this server does not do it
  too_long,     ///< 400: more prompt tokens than the context holds
  unauthorized, ///< 401: no key, or a wrong one
  forbidden,    ///< 403: a Host or an Origin that is not allowed
  not_found,    ///< 404
  wrong_method, ///< 405
  too_large,    ///< 413: the body
  too_many,     ///< 429: the queue is full
  internal,     ///< 500: a failure of the computation
  unavailable,  ///< 503: loading, or about to end
};

struct api_error {
  error_kind kind = error_kind::invalid;
  std::string message;
  std::string param = {};                ///< the field, such as "messages[2].content"; may be empty
  std::uint64_t prompt_tokens = 0;       ///< of too_long
  std::uint64_t context_tokens = 0;      ///< of too_long
  std::uint32_t retry_after_seconds = 0; ///< 0: trying again does not help, or nobody knows
  std::string allowed_methods = {};      ///< of wrong_method, such as "GET, HEAD"
};

/// The HTTP status code.
[[nodiscard]] unsigned status_of(error_kind kind) noexcept;

/// The body of an answer with that status. A prompt that is too long gets the words by which
/// clients of the protocol recognise it.
[[nodiscard]] ordered_json error_body(protocol p, const api_error& error);

} // namespace larql::serve
