// Requests of Ollama's /api/chat and /api/generate.
//
// num_ctx and keep_alive are understood and change nothing: the context is the server's, and the
// model stays. Options of other samplers are refused unless they are switched off; options that say
// how to use a machine (num_gpu, num_thread, use_mmap, ...) are ignored.
//
// Threads   Pure functions.
// Source    Ollama's API documentation.

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/completion_request.hpp"

namespace larql::serve::ollama {

struct text_request {
  completion_request ask;
  std::string model; ///< as the client named it, which its answer repeats
  bool stream = true;
  bool load_only = false; ///< nothing to answer: the client wants the model to be in memory
  bool unload = false;    ///< of load_only: keep_alive is 0
};

[[nodiscard]] api_result<text_request> read_chat_request(const ordered_json& body);
[[nodiscard]] api_result<text_request> read_generate_request(const ordered_json& body);

} // namespace larql::serve::ollama
