// The end of making a vindex: its texts, and checksums.json.

#pragma once

#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/checksums.hpp"

#include <filesystem>

namespace larql::import {

/// Writes a plan's texts, adds their checksums to those of the other files, and writes those.
[[nodiscard]] result<void> write_texts(const extract_plan& plan, const std::filesystem::path& dir,
                                       vindex::checksums& sums);

} // namespace larql::import
