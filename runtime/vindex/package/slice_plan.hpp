// What a slice of a vindex will hold, decided and checked before a byte is copied.
//
// Errors    Parts, layers or experts that the source does not have; a damaged layer file.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/slice_parts.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace larql::vindex {

/// Inclusive.
using first_last = std::pair<std::uint32_t, std::uint32_t>;

struct slice_request {
  std::string preset;   ///< for the record; empty: a list of parts
  std::set<part> parts; ///< index.json comes in any case
  std::optional<first_last> experts;
  std::optional<first_last> layers; ///< of the expert files; everything else is copied whole
};

struct planned_file {
  std::string name; ///< relative to the vindex
  part which = part::index;
  std::uint64_t size_bytes = 0; ///< as it looks
  std::uint64_t held_bytes = 0; ///< that are copied; the rest are holes
  std::optional<std::uint32_t> layer;
  layer_header header; ///< of a layer file
};

struct slice_plan {
  std::filesystem::path source;
  model_config model;
  std::vector<planned_file> files;     ///< copied
  std::string index;                   ///< the slice's index.json
  presence here;                       ///< the slice's larql_slice.json
  std::optional<checksums> known;      ///< the source's
  std::vector<std::string> of_no_part; ///< files of the source that no slice gets

  [[nodiscard]] std::uint64_t held_bytes() const noexcept;
};

[[nodiscard]] result<slice_plan> plan_slice(const std::filesystem::path& source,
                                            const slice_request& request);

} // namespace larql::vindex
