// Puts a drafter into the vindex of the model that it was trained for, or in the place of the one
// that is there.
//
// drafter.json is the last file that is written, and the first that goes when another drafter
// comes: who reads the vindex meanwhile, or after a stop, finds a whole drafter or none.
// checksums.json and larql_slice.json say what is there.
//
// Memory    A few megabytes of buffers; source pages are released as soon as they are converted.
// Errors    Name the file or tensor; errc::mismatch for a drafter of another model, before anything
//           is written; errc::cancelled if it was stopped.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/drafter_checkpoint.hpp"
#include "runtime/import/extract.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace larql::import {

struct add_drafter_options {
  /// q4k: Q4_K matrices and a Q6_K down, as of a model; lossless: as the source has them.
  vindex::quant_kind quant = vindex::quant_kind::lossless;
  std::string version; ///< of the program, for drafter.json
  /// Called several times a second; false cancels.
  std::function<bool(const extract_progress&)> on_progress;
};

/// @pre nobody else adds a drafter to `dir`
[[nodiscard]] result<void> add_drafter(const drafter_checkpoint& drafter,
                                       const std::filesystem::path& dir, compute_pool& pool,
                                       const add_drafter_options& options);

/// That the drafter fits a model, for asking before there is a vindex.
[[nodiscard]] result<void> check_drafter_of(const drafter_checkpoint& drafter,
                                            const vindex::model_config& model);

} // namespace larql::import
