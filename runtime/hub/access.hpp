// The Hub's address and the user's token, from the same environment variables and files as Hugging
// Face's own tools use.

#pragma once

#include "runtime/base/result.hpp"

#include <functional>
#include <optional>
#include <string>

namespace larql::hub {

struct access {
  std::string endpoint;     ///< "https://huggingface.co", without a slash at the end
  std::string origin;       ///< of the endpoint (url.hpp): who may see the token
  std::string token;        ///< empty: none, requests are anonymous
  std::string token_source; ///< "HF_TOKEN", or the file; for messages
};

using environment_fn = std::function<std::optional<std::string>(const char*)>;

/// HF_ENDPOINT, and the token from HF_TOKEN, the file HF_TOKEN_PATH, HF_HOME/token or
/// ~/.cache/huggingface/token, in that order. No token is no error; one that could be overheard is.
[[nodiscard]] result<access> read_access(const environment_fn& environment);

} // namespace larql::hub
