#include "cli/laptop/prompt_identity.hpp"

#include "runtime/base/file_hash.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/locations.hpp"

namespace larql::cli {

result<actors::cache_identity> prompt_identity(const std::filesystem::path& dir,
                                               const vindex::model_config& model) {
  LARQL_TRY(const auto weights, vindex::name_weights(dir, model));
  const auto digest = to_hex(weights.digest.value_or(weights.fingerprint));
  LARQL_TRY(const auto in, file::open(dir / vindex::tokenizer_file));
  LARQL_TRY(const auto tokenizer, hash_file(in));
  // Before the digest of the experts is known, files of other encodings have the same fingerprint.
  LARQL_TRY(const auto where, vindex::read_locations(dir));
  return actors::cache_identity{where ? fmt::format("{} {}", digest, where->source) : digest,
                                to_hex(tokenizer), "exact"};
}

} // namespace larql::cli
