// Where the bytes of a vindex's files lie: in files of the same names, or, as locations.json says,
// in parts of others. Everybody who reads weights asks here, by the names of the format, and need
// not know.
//
// Owner     A stored_file keeps the descriptors open that it reads from.
// Threads   Immutable after opening; reading from several threads is fine.
// Errors    Name the file of the vindex, or the one that its bytes lie in. A file that was changed
//           since its parts were located is errc::mismatch; bytes that are not there are too.

#pragma once

#include "runtime/base/interval_set.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/locations.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace larql::vindex {

/// Bytes of a real file.
struct file_part {
  std::shared_ptr<const file> in;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// A file of the vindex.
class stored_file {
public:
  /// By its name in the vindex, for messages.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_; }

  /// True if a real file holds these bytes and no others.
  [[nodiscard]] bool is_whole() const noexcept { return runs_.empty(); }

  /// Where bytes lie that are to be mapped; an error if they are not in one piece, not there, or
  /// beyond the end.
  [[nodiscard]] result<file_part> find(std::uint64_t offset, std::uint64_t bytes) const;

  /// Copies `out.size()` bytes starting at `offset`.
  [[nodiscard]] result<void> read(std::uint64_t offset, std::span<std::byte> out) const;

  /// How read() will be used: `random` keeps the kernel from reading ahead.
  void advise(access_pattern pattern) const noexcept;

private:
  friend class storage;
  /// A real file, and what of it is there if that is not all.
  struct source {
    std::shared_ptr<const file> in;
    std::optional<interval_set> held;
  };
  struct piece {
    const source* in = nullptr;
    std::uint64_t offset = 0; ///< in the real file
    std::uint64_t bytes = 0;  ///< from there to the end of the piece
  };
  [[nodiscard]] result<piece> piece_at(std::uint64_t offset) const;
  [[nodiscard]] result<void> check_held(const piece& p, std::uint64_t bytes) const;

  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::vector<located_run> runs_; // none: sources_[0] is the file
  std::shared_ptr<const std::vector<source>> sources_;
};

/// All files of a vindex.
class storage {
public:
  [[nodiscard]] static result<storage> open(const std::filesystem::path& dir);

  [[nodiscard]] const std::filesystem::path& dir() const noexcept { return dir_; }
  [[nodiscard]] result<bool> has(std::string_view name) const;
  [[nodiscard]] result<stored_file> open_file(std::string_view name) const;

private:
  explicit storage(std::filesystem::path dir) : dir_(std::move(dir)) {}
  [[nodiscard]] result<void> open_sources();

  std::filesystem::path dir_;
  std::optional<locations> where_;
  std::shared_ptr<const std::vector<stored_file::source>> sources_;
};

} // namespace larql::vindex
