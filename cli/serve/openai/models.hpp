// /v1/models, for clients of OpenAI and of Anthropic alike: each finds its own fields and ignores
// the others'.
//
// Threads   Pure functions.

#pragma once

#include "cli/serve/api/json_body.hpp"
#include "cli/serve/api/model_facts.hpp"

namespace larql::serve::openai {

[[nodiscard]] ordered_json models_json(const model_facts& model);
[[nodiscard]] ordered_json model_json(const model_facts& model);

/// llama.cpp's /props.
[[nodiscard]] ordered_json props_json(const model_facts& model);

} // namespace larql::serve::openai
