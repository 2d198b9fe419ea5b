// The fields of a request that say how tokens are chosen, by the names that the OpenAI, llama.cpp
// and Ollama APIs have for them.
//
// Errors    In the reader. Samplers that this server does not have are refused by name, unless
//           their value switches them off, as many clients send it.

#pragma once

#include "cli/serve/api/completion_request.hpp"
#include "cli/serve/api/field_reader.hpp"

namespace larql::serve {

/// temperature, top_k, top_p, min_p, penalties, seed, logit_bias.
void read_sampling(field_reader& fields, sampling_request& out);

/// "stop" or "stop_sequences": a text or a list of texts.
void read_stops(field_reader& fields, const char* key, std::vector<std::string>& out);

/// The first of these fields that is there: a number of tokens, -1 and -2 for "no limit". 0 counts
/// as 1, since an answer without tokens is none.
void read_max_tokens(field_reader& fields, std::initializer_list<const char*> keys,
                     std::optional<std::uint32_t>& out);

/// Content that follows the JSON schema under `key`, which must be an object or true or false.
void read_schema(field_reader& fields, const char* key, grammar::output_rules& out);

} // namespace larql::serve
