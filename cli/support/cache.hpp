// The cache: what larql keeps of models that are not vindexes of their own.
//
//   hub/OWNER/NAME@REVISION   models of the Hub (docs/hub.md)
//   files/IDENTITY            vindexes that point into GGUF files (docs/vindex-format.md)
//   extracted/IDENTITY-q4k    vindexes made of checkpoints
//   speculation.json          how often drafts were right (runtime/speculation/remembered.hpp)
//
// An identity is that of the source's files (import/checkpoint.hpp), not their names.

#pragma once

#include "cli/support/environment.hpp"
#include "runtime/hub/repo.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace larql::cli {

/// $LARQL_CACHE, else $XDG_CACHE_HOME/larql, else ~/.cache/larql.
[[nodiscard]] result<std::filesystem::path> cache_directory(const environment_fn& environment);

/// Where a model of the Hub is kept.
[[nodiscard]] result<std::filesystem::path> cached_model_path(const hub::repo& r,
                                                              const environment_fn& environment);
/// Where the vindex of a GGUF file is kept.
[[nodiscard]] result<std::filesystem::path> cached_file_path(const std::string& identity,
                                                             const environment_fn& environment);
/// Where the vindex that was made of a checkpoint is kept.
[[nodiscard]] result<std::filesystem::path> cached_extract_path(const std::string& identity,
                                                                const environment_fn& environment);

/// Notes beside a directory of the cache what it was made of, for `larql cache list`.
[[nodiscard]] result<void> note_origin(const std::filesystem::path& dir,
                                       const std::filesystem::path& source);

enum class cache_kind { hub, file, extracted };
[[nodiscard]] std::string_view to_string(cache_kind kind) noexcept;

struct cache_entry {
  cache_kind kind = cache_kind::hub;
  std::filesystem::path dir;
  std::string source;      ///< "hf://ann/gemma4@main", or the path of a file or directory
  bool is_gone = false;    ///< its source is not there any more, or was changed
  std::uint64_t bytes = 0; ///< that it takes on disk
};

/// Everything that the cache holds, by kind and source.
[[nodiscard]] result<std::vector<cache_entry>> list_cache(const std::filesystem::path& cache);

/// Removes an entry. An error if another process is filling it.
[[nodiscard]] result<void> remove_entry(const cache_entry& entry);

} // namespace larql::cli
