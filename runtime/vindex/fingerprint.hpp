// Short names for "the same model": what laptop and node compare when they meet.
//
// The fingerprint is a SHA-256 over the numbers of index.json that matter and over norms.bin, which
// every slice carries and which holds all norms, the routers and the scales. The weights digest
// stands for every expert; it comes from checksums.json, so a slice knows it for experts that it
// does not hold (docs/vindex-format.md, "Fingerprint" and "checksums.json").

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/vindex/index_json.hpp"

#include <filesystem>
#include <optional>

namespace larql::vindex {

[[nodiscard]] result<sha256_digest> fingerprint(const std::filesystem::path& dir,
                                                const model_config& model);

struct weights_names {
  sha256_digest fingerprint{};
  /// None: unknown, because the vindex has no checksums or they leave out an expert.
  std::optional<sha256_digest> digest;
};
[[nodiscard]] result<weights_names> name_weights(const std::filesystem::path& dir,
                                                 const model_config& model);

} // namespace larql::vindex
