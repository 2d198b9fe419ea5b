// /api/tags, /api/show, /api/ps and /api/version: how Ollama's clients find a model and learn what
// it can do.
//
// Threads   Pure functions.
// Source    Ollama's API documentation.

#pragma once

#include "cli/serve/api/json_body.hpp"
#include "cli/serve/api/model_facts.hpp"

namespace larql::serve::ollama {

[[nodiscard]] ordered_json tags_json(const model_facts& model);
[[nodiscard]] ordered_json show_json(const model_facts& model);
[[nodiscard]] ordered_json ps_json(const model_facts& model);
[[nodiscard]] ordered_json version_json(const model_facts& model);

} // namespace larql::serve::ollama
