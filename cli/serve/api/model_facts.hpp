// What the server tells about its model and itself.
//
// Threads   Immutable once the server has started.

#pragma once

#include <cstdint>
#include <string>

namespace larql::serve {

struct model_facts {
  std::string name;          ///< by which clients call it
  std::string version;       ///< of larql
  std::string family;        ///< "gemma4"
  std::string digest;        ///< 64 hexadecimal digits that stand for the weights
  std::string encoding;      ///< of most experts, such as "Q4_K"
  std::string file;          ///< name of the vindex, without the directories around it
  std::string chat_template; ///< as it came with the model; empty: none
  std::string bos, eos;      ///< pieces
  std::uint64_t parameters = 0;
  std::uint64_t size_bytes = 0;
  std::uint32_t context = 0;         ///< tokens of a prompt and its answer
  std::uint32_t trained_context = 0; ///< 0: unknown
  std::uint32_t vocabulary = 0;
  std::uint32_t layers = 0, experts = 0, experts_per_token = 0, hidden = 0;
  std::uint32_t parallel = 0; ///< answers that are computed at the same time
  std::int64_t created = 0;   ///< seconds since 1970, of the vindex
  // Defaults of sampling.
  double temperature = 1, top_p = 1;
  std::uint32_t top_k = 0;
  bool thinking = false; ///< unless a request says so
};

/// "25.2B"
[[nodiscard]] std::string parameter_text(std::uint64_t parameters);

} // namespace larql::serve
