// Makes a vindex of a checkpoint whose files arrive from front to back, and of which nothing has to
// stay: rows are converted as soon as they are here, and written to their places in the output.
// That this is what extract() would make of the whole, is for the caller to see to: who takes bytes
// again, overwrites what was made of them.
//
// Blocking  Writes to disk.
// Memory    A buffer of some megabytes; source pages are released as soon as they are converted.
// Errors    Name the file or tensor.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/interval_set.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/package/hash_jobs.hpp"

#include <filesystem>
#include <vector>

namespace larql::import {

class arriving_extract {
public:
  /// `plan`, its checkpoint, whose tensors are mapped from files that may be incomplete, and `pool`
  /// outlive it.
  arriving_extract(const extract_plan& plan, std::filesystem::path dir, compute_pool& pool);
  ~arriving_extract();
  arriving_extract(const arriving_extract&) = delete;

  /// Opens the output files in `dir`, or creates them; what an earlier run has written stays.
  [[nodiscard]] result<void> open();

  /// Bytes of a file of the checkpoint are here: rows that end among them are converted.
  [[nodiscard]] result<void> take(std::uint32_t part, interval bytes);
  /// The first byte of a part that is still needed when those before `end` were taken.
  [[nodiscard]] std::uint64_t needed_from(std::uint32_t part, std::uint64_t end) const;
  /// What was taken so far is on disk afterwards.
  [[nodiscard]] result<void> sync();

  /// When everything was taken: checksums and texts.
  [[nodiscard]] result<void> finish(const vindex::jobs_progress& on_hashed);

  /// Of the output.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept;

private:
  // Rows of a source, and where they go.
  struct job {
    const piece* rows = nullptr;
    std::size_t file = 0;
    std::uint64_t offset = 0; ///< in the output file
    std::uint64_t begin = 0;  ///< in the source's file
    std::uint64_t row_bytes = 0;

    [[nodiscard]] std::uint64_t end() const noexcept { return begin + rows->rows * row_bytes; }
    /// Of its rows, how many end at `at` or before.
    [[nodiscard]] std::uint64_t rows_before(std::uint64_t at) const noexcept;
  };

  [[nodiscard]] result<void> convert(const job& j, std::uint64_t first, std::uint64_t last);
  [[nodiscard]] result<void> write(std::size_t file, std::uint64_t offset,
                                   std::span<const std::byte> bytes);

  const extract_plan& plan_;
  std::filesystem::path dir_;
  compute_pool& pool_;
  std::vector<std::vector<job>> jobs_; ///< by part
  std::vector<int> outputs_;           ///< descriptors, as plan_.files
  std::vector<std::byte> buffer_;
};

} // namespace larql::import
