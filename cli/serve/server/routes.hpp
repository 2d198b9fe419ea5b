// Which paths there are, by which methods, and whose protocol speaks there.
//
// Threads   Pure functions.

#pragma once

#include "cli/serve/api/api_error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace larql::serve {

enum class endpoint : std::uint8_t {
  root,
  health,
  metrics,
  props,
  tokenize,
  detokenize,
  apply_template,
  models,
  model,
  chat_completions,
  completions,
  responses,
  messages,
  count_tokens,
  ollama_chat,
  ollama_generate,
  ollama_tags,
  ollama_show,
  ollama_ps,
  ollama_version,
  page_file,
  page_answer, ///< the page's own answers, whatever is done with them
  cluster,
  unsupported, ///< a path of the protocol that this server does not serve
};

struct route {
  endpoint to;
  protocol shape;
  bool is_post = false;    ///< else GET and HEAD
  bool needs_key = true;   ///< if there are keys
  std::string_view what{}; ///< of unsupported: what is missing
};

/// The route of a path; nothing if there is none.
[[nodiscard]] std::optional<route> find_route(std::string_view path);

/// The protocol in whose shape an error about this path is told. `is_anthropic`: the request has
/// Anthropic's headers.
[[nodiscard]] protocol shape_of(std::string_view path, bool is_anthropic);

/// Whether the route has this method; OPTIONS is not one of them.
[[nodiscard]] bool has_method(const route& r, std::string_view method);
/// "GET, HEAD"
[[nodiscard]] std::string methods_of(const route& r);

} // namespace larql::serve
