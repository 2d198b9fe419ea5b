// Where the pieces of a lossless vindex lie if its source's files are used from where they lie.

#pragma once

#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/locations.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace larql::import {

/// Heads of layer files, one after the other.
inline constexpr std::string_view heads_file = "heads.bin";

struct located_layout {
  vindex::locations where;
  std::vector<std::byte> heads;
};

/// norms.bin, which is small, stays a file. @pre `plan` is a lossless one of `source` with
/// matrices_lie::in_source, and the source was read from files
[[nodiscard]] located_layout lay_out(const checkpoint& source, const extract_plan& plan);

} // namespace larql::import
