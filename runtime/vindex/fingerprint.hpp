// A short name for "the same model": what laptop and node compare when they meet.
//
// SHA-256 over the numbers of index.json that matter and over norms.bin, which every slice carries
// and which holds all norms, the routers and the scales (docs/vindex-format.md, "Fingerprint").

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"
#include "runtime/vindex/index_json.hpp"

#include <filesystem>

namespace larql::vindex {

[[nodiscard]] result<sha256_digest> fingerprint(const std::filesystem::path& dir,
                                                const model_config& model);

} // namespace larql::vindex
