// The experts that this process owns: mapped pages of the layer files, one mapping per contiguous
// run of owned bytes, so that other experts' pages cannot become resident.
//
// Owner     Owns the mappings; views live as long as it does.
// Threads   get() may be called from several threads.
// Blocking  The first get() of an expert reads its scales (and starts reading all of it) from disk.
// Errors    Names the file, the expert, what was found and expected.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

namespace larql::experts {

struct expert_weights {
  quant::matrix_view gate; ///< [width][hidden]
  quant::matrix_view up;   ///< [width][hidden]
  quant::matrix_view down; ///< [hidden][down_cols]
};

class expert_bank {
public:
  /// Opens the owned part of the layer files of a vindex. Reads headers only.
  [[nodiscard]] static result<expert_bank>
  open(const std::filesystem::path& dir, const vindex::model_config& model, const ownership& owned);

  [[nodiscard]] const ownership& owned() const noexcept { return owned_; }

  /// Whether get() has found the numbers of an owned expert to be finite.
  /// @pre owned().contains(layer, expert)
  [[nodiscard]] bool is_checked(std::uint32_t layer, std::uint32_t expert) const;

  /// Format of the gate and up matrices of a layer: what the input must be rounded to.
  /// @pre the layer is owned
  [[nodiscard]] quant::encoding input_format(std::uint32_t layer) const;

  /// The matrices of an owned expert. The first call for an expert checks that its numbers are
  /// finite. @pre owned().contains(layer, expert)
  [[nodiscard]] result<expert_weights> get(std::uint32_t layer, std::uint32_t expert) const;

  [[nodiscard]] std::uint64_t owned_bytes() const noexcept { return owned_bytes_; }
  /// Of one expert of a layer. @pre the layer is owned
  [[nodiscard]] std::uint64_t expert_bytes(std::uint32_t layer) const;

  /// Bytes of owned experts whose pages are in memory now, as the kernel says.
  [[nodiscard]] std::uint64_t resident_bytes() const;

  /// Reads all owned pages into memory. `on_progress` gets the bytes done; false stops.
  [[nodiscard]] result<void> warm_up(const std::function<bool(std::uint64_t)>& on_progress) const;

  /// Keeps the owned pages from being dropped. Fails where the system does not allow so much.
  [[nodiscard]] result<void> lock_in_memory() const;

private:
  struct layer_part {
    std::filesystem::path path;
    vindex::layer_header header;
    std::vector<mapped_range> maps;
    std::vector<const std::byte*> gate_up; ///< per owned expert
    std::vector<const std::byte*> down;
    std::unique_ptr<std::atomic<bool>[]> checked;
  };

  static result<layer_part> open_layer(const std::filesystem::path& path,
                                       const vindex::model_config& model, index_range experts);
  [[nodiscard]] static result<void> check(const layer_part& part, const expert_weights& weights,
                                          std::uint32_t expert);

  ownership owned_;
  std::vector<layer_part> layers_;
  std::uint64_t owned_bytes_ = 0;
};

} // namespace larql::experts
