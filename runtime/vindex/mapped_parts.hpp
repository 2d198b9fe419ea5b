// Parts of files in memory: one mapping for each run of wanted bytes, so that nothing beside them
// becomes resident.
//
// Owner     Owns the mappings; pointers live as long as it does.
// Threads   Immutable; reading from several threads is fine.
// Errors    Name the file.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/storage.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace larql::vindex {

struct wanted_part {
  file_part part;
  /// Bytes in front of it that may be mapped as well, if it is the first of its run: with a short
  /// table before them, weights begin in a huge page.
  std::uint64_t lead_bytes = 0;
};

class mapped_parts {
public:
  /// Wanted bytes without a gap.
  struct run {
    std::filesystem::path path;
    mapped_range map;                 ///< may begin before the wanted bytes
    std::span<const std::byte> bytes; ///< the wanted ones
  };

  mapped_parts() = default;

  /// Maps all parts; ones that overlap or touch share a run. Nothing is read.
  [[nodiscard]] static result<mapped_parts> map(std::span<const wanted_part> parts,
                                                access_pattern pattern, page_kind pages);

  /// The bytes of the part with this number, in the order they were asked for.
  [[nodiscard]] std::span<const std::byte> part(std::size_t i) const {
    return {places_[i].data, places_[i].bytes};
  }
  [[nodiscard]] const std::vector<run>& runs() const noexcept { return runs_; }

  /// Asks the operating system to read a part soon.
  void will_need(std::size_t i) const noexcept { runs_[places_[i].run].map.will_need(part(i)); }

private:
  struct place {
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::size_t run = 0;
  };

  std::vector<run> runs_;
  std::vector<place> places_;
};

} // namespace larql::vindex
